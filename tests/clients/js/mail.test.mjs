// Mails as an application meets them: supabase-js asks, the mailbox of development (or a mail server) receives, and
// what the mail says is done.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PASSWORD, createClient } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment, freePorts } from './harness.mjs'

const SITE = 'http://app.test/welcome'
const DEVELOPMENT = {
  args: ['--dev'],
  env: { GOTRUE_MAILER_AUTOCONFIRM: 'false', SITE_URL: 'http://app.test', ADDITIONAL_REDIRECT_URLS: 'http://app.test/**' },
}

let basalt
before(async () => { basalt = await Basalt.start(DEVELOPMENT) })
after(() => basalt?.destroy())

const visitor = (flowType = 'implicit') =>
  createClient(basalt.url, basalt.keys.ANON_KEY, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false, flowType },
  })

const must = ({ data, error }) => {
  assert.equal(error, null)
  return data
}

// The messages to an address, newest first, once there are so many.
async function mails(to, count = 1) {
  const deadline = Date.now() + 20_000
  for (;;) {
    const response = await fetch(`${basalt.url}/_basalt/mail.json?to=${encodeURIComponent(to)}`)
    assert.equal(response.status, 200)
    const found = await response.json()
    if (found.length >= count) return found
    assert.ok(Date.now() < deadline, `${found.length} of ${count} mails to ${to}`)
    await sleep(20)
  }
}

const link = (mail) => mail.text.match(/^https?:\/\/\S+\/verify\?\S+$/m)[0]
const code = (mail) => mail.text.match(/^ {4}(\d{6})$/m)[1]

// Follows a link as a browser does; returns where it leads.
async function follow(address) {
  const response = await fetch(address, { redirect: 'manual' })
  assert.equal(response.status, 303)
  return new URL(response.headers.get('location'))
}

// The session in the fragment, as detectSessionInUrl takes it.
async function enter(client, target) {
  const fragment = new URLSearchParams(target.hash.slice(1))
  const [access_token, refresh_token] = [fragment.get('access_token'), fragment.get('refresh_token')]
  assert.ok(access_token && refresh_token, target.href)
  return must(await client.auth.setSession({ access_token, refresh_token })).user
}

async function member(email) {
  const client = visitor()
  must(await client.auth.signUp({ email, password: PASSWORD }))
  await enter(client, await follow(link((await mails(email))[0])))
  await sleep(1100) // the least time between two mails of a kind in development
  return client
}

test('a sign-up is confirmed by the link in its mail', async () => {
  const client = visitor()
  const email = 'signup@example.com'
  const options = { emailRedirectTo: SITE, data: { name: 'Ada' } }
  const signedUp = must(await client.auth.signUp({ email, password: PASSWORD, options }))
  assert.equal(signedUp.session, null)
  const early = await client.auth.signInWithPassword({ email, password: PASSWORD })
  assert.equal(early.error.code, 'email_not_confirmed')
  const [mail] = await mails(email)
  assert.equal(mail.subject, 'Confirm your email address')
  const target = await follow(link(mail))
  assert.equal(target.origin + target.pathname, SITE)
  const user = await enter(client, target)
  assert.equal(user.email, email)
  assert.ok(user.email_confirmed_at)
  must(await visitor().auth.signInWithPassword({ email, password: PASSWORD }))
})

test('a code signs in as well as its link', async () => {
  const email = 'code@example.com'
  const client = visitor()
  must(await client.auth.signInWithOtp({ email }))
  const session = must(await client.auth.verifyOtp({ email, token: code((await mails(email))[0]), type: 'email' }))
  assert.equal(session.user.email, email)
  const again = await visitor().auth.verifyOtp({ email, token: code((await mails(email))[0]), type: 'email' })
  assert.equal(again.error.code, 'otp_expired')
})

test('a magic link ends in a session, with PKCE only for who asked', async () => {
  const email = 'magic@example.com'
  await member(email)
  const client = visitor('pkce')
  must(await client.auth.signInWithOtp({ email, options: { shouldCreateUser: false, emailRedirectTo: SITE } }))
  const [mail] = await mails(email, 2)
  assert.equal(mail.subject, 'Your sign-in link')
  const target = await follow(link(mail))
  const exchanged = target.searchParams.get('code')
  const other = await visitor('pkce').auth.exchangeCodeForSession(exchanged)
  assert.ok(other.error)
  assert.equal(must(await client.auth.exchangeCodeForSession(exchanged)).user.email, email)
})

test('a forgotten password is replaced', async () => {
  const email = 'forgot@example.com'
  await member(email)
  const client = visitor()
  must(await client.auth.resetPasswordForEmail(email, { redirectTo: SITE }))
  const [mail] = await mails(email, 2)
  assert.equal(mail.type, 'recovery')
  await enter(client, await follow(link(mail)))
  must(await client.auth.updateUser({ password: 'an entirely new one' }))
  must(await visitor().auth.signInWithPassword({ email, password: 'an entirely new one' }))
})

test('a change of address is confirmed from both', async () => {
  const [from, to] = ['from@example.com', 'to@example.com']
  const client = await member(from)
  const { user } = must(await client.auth.updateUser({ email: to }))
  assert.deepEqual([user.email, user.new_email], [from, to])
  const [old] = await mails(from, 2)
  const [fresh] = await mails(to)
  const half = await follow(link(fresh))
  assert.match(half.hash, /message=Confirmation\+link\+accepted/)
  assert.equal((await enter(visitor(), await follow(link(old)))).email, to)
  must(await visitor().auth.signInWithPassword({ email: to, password: PASSWORD }))
})

test('the mailbox is the developer’s own', async () => {
  const page = await fetch(`${basalt.url}/_basalt/mail`)
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-security-policy'), /^default-src 'none'/)
  assert.match(await page.text(), /Mailbox/)
  const [mail] = await mails('')
  const html = await fetch(`${basalt.url}/_basalt/mail/${mail.id}/html`)
  assert.match(html.headers.get('content-security-policy'), /^sandbox/)
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    assert.equal((await fetch(`${basalt.url}/_basalt/mail.json`, { headers })).status, 404)
  }
  const cleared = await fetch(`${basalt.url}/_basalt/mail.json?to=signup@example.com`, { method: 'DELETE' })
  assert.equal(cleared.status, 204)
  const left = await fetch(`${basalt.url}/_basalt/mail.json?to=signup@example.com`)
  assert.deepEqual(await left.json(), [])
})

const ran = (server, ...words) => {
  const done = server.run(words)
  assert.equal(done.status, 0, `${words.join(' ')}: ${done.stderr}`)
  return done.stdout
}

test('the texts are listed, looked at and tried from the command line', async () => {
  const texts = JSON.parse(ran(basalt, 'mail', 'list', '-o', 'json'))
  assert.ok(texts.some(({ template, enabled, source }) => template === 'confirmation' && enabled && source === 'default'), JSON.stringify(texts))
  assert.match(ran(basalt, 'mail', 'list'), /^confirmation +sent +default +auth\.email\.template\.confirmation$/m)
  const text = ran(basalt, 'mail', 'preview', 'confirmation')
  assert.match(text, /^Subject: Confirm your email address\n\n/)
  assert.match(text, /^http\S+\/auth\/v1\/verify\?token=\S+&type=signup/m)
  assert.match(ran(basalt, 'mail', 'preview', 'confirmation', '--html'), /^<!doctype html>/i)
  for (const { template } of texts) {
    const shown = JSON.parse(ran(basalt, 'mail', 'preview', template, '-o', 'json'))
    assert.ok(shown.subject && shown.html && !/\{\{|<no value>/.test(shown.subject + shown.html + shown.text), template)
  }
  const unknown = basalt.run(['mail', 'preview', 'nothing'])
  assert.deepEqual([unknown.status, unknown.stdout], [1, ''])

  assert.match(ran(basalt, 'mail', 'test', 'tried@example.com', '--template', 'recovery'), /mailbox of development/)
  const [mail] = await mails('tried@example.com')
  assert.equal(mail.subject, JSON.parse(ran(basalt, 'mail', 'preview', 'recovery', '-o', 'json')).subject)
  // What it is filled with opens nothing.
  assert.match((await follow(link(mail))).href, /error_code=otp_expired/)
  assert.equal(basalt.run(['mail', 'test', 'no address']).status, 1)
})

// Takes every mail down, unless told to refuse.
function mailServer(port) {
  const received = []
  const held = { received, refuses: false }
  const server = net.createServer((socket) => {
    let data = null
    let rest = ''
    const say = (text) => socket.write(`${text}\r\n`)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      rest += chunk
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (data !== null) {
          if (line === '.') {
            received.push(data)
            data = null
            say('250 taken')
          } else data += `${line}\n`
        } else if (/^DATA/i.test(line)) {
          data = ''
          say('354 go ahead')
        } else if (/^RCPT/i.test(line) && held.refuses) say('550 nobody of that name')
        else say(/^QUIT/i.test(line) ? '221 bye' : '250 ok')
      }
    })
    say('220 test')
  })
  return new Promise((ready) => server.listen(port, '127.0.0.1', () => ready(Object.assign(held, { close: () => server.close() }))))
}

test('a mail whose process was killed before it was sent is sent by the next', async (t) => {
  const [port] = await freePorts(1)
  const env = {
    GOTRUE_MAILER_AUTOCONFIRM: 'false',
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(port),
    SMTP_ADMIN_EMAIL: 'noreply@example.com',
  }
  const other = await Basalt.start({ env })
  t.after(() => other.destroy())
  assert.equal((await fetch(`${other.url}/_basalt/mail`)).status, 404)
  const client = createClient(other.url, other.keys.ANON_KEY)
  must(await client.auth.signUp({ email: 'killed@example.com', password: PASSWORD }))
  await other.killNow()
  const server = await mailServer(port)
  t.after(server.close)
  await other.launch()
  const deadline = Date.now() + 90_000
  while (server.received.length === 0) {
    assert.ok(Date.now() < deadline, 'the mail never came')
    await sleep(50)
  }
  assert.match(server.received[0], /^To: killed@example\.com$/m)
  assert.match(server.received[0], /^Subject: Confirm your email address$/m)
  // A test is told what the mail server says, good or bad. That one lives in this process, which must not wait.
  const tried = (...words) => new Promise((ended) => {
    const place = { env: cleanEnvironment(other.env), cwd: other.root }
    execFile(basaltBinary(), ['mail', 'test', ...words, '--data-dir', other.dataDir], place, (error, stdout, stderr) => {
      ended({ status: error?.code ?? 0, stdout, stderr })
    })
  })
  const good = await tried('operator@example.com', '--template', 'invite')
  assert.equal(good.status, 0, good.stderr)
  assert.match(good.stdout, /the mail server has taken/)
  assert.ok(server.received.some((mail) => /^To: operator@example\.com$/m.test(mail)))
  server.refuses = true
  const bad = await tried('operator@example.com')
  assert.deepEqual([bad.status, bad.stdout], [1, ''])
  assert.match(bad.stderr, /550.*nobody of that name/)
})
