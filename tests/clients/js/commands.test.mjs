// `basalt users`, `sessions`, `logs`, `keys api`, `keys password`, `completion`: what an operator does from the command line
// with a server that runs.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createClient } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

const PASSWORD = 'correct horse battery'

describe('the command line', () => {
  let basalt

  before(async () => {
    basalt = await Basalt.start({ env: { BASALT_LOG__LEVEL: 'debug' } })
  })
  after(() => basalt?.destroy())

  const run = (words, input) => {
    const done = basalt.run(words, input)
    assert.equal(done.status, 0, `${words.join(' ')}: ${done.stderr}`)
    return done.stdout
  }
  const json = (words, input) => JSON.parse(run([...words, '-o', 'json'], input))
  const refused = (words, code, text, input) => {
    const done = basalt.run(words, input)
    assert.equal(done.status, code, `${words.join(' ')}: ${done.stdout}${done.stderr}`)
    assert.match(done.stderr, text)
  }
  const signIn = async (email, password = PASSWORD) => {
    const client = createClient(basalt.url, basalt.keys.ANON_KEY)
    const { data, error } = await client.auth.signInWithPassword({ email, password })
    return { client, session: data?.session, error }
  }
  const until = async (holds, what) => {
    const deadline = Date.now() + 20_000
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, what)
      await sleep(50)
    }
  }

  describe('users', () => {
    test('are made, found, shown and listed', async () => {
      const made = json(['users', 'create', 'ada@example.com', '--password-stdin', '--metadata', '{"name":"Ada"}'], `${PASSWORD}\n`)
      assert.equal(made.email, 'ada@example.com')
      assert.deepEqual(made.user_metadata.name, 'Ada')
      assert.ok((await signIn('ada@example.com')).session)
      for (const who of ['ada@example.com', 'ADA@example.com', made.id]) assert.equal(json(['users', 'show', who]).id, made.id)
      assert.match(run(['users', 'show', 'ada@example.com']), /^id +\S+\nemail +ada@example.com\n/)
      json(['users', 'create', '+15550001111'])
      assert.equal(json(['users', 'show', '+15550001111']).phone, '15550001111')
      json(['users', 'create', 'ada+other@example.com', '--unconfirmed'])
      assert.equal(json(['users', 'show', 'ada+other@example.com']).email_confirmed_at, undefined)
      assert.deepEqual(json(['users', 'list', '--search', 'ada']).map(({ email }) => email), ['ada+other@example.com', 'ada@example.com'])
      assert.equal(json(['users', 'list', '--per-page', '1']).length, 1)
      refused(['users', 'create', 'ada@example.com'], 1, /already been registered|already registered/)
      refused(['users', 'show', 'nobody@example.com'], 1, /there is no account called "nobody@example.com"/)
      refused(['users', 'create', 'x@example.com', '--metadata', '[]'], 2, /not a JSON object/)
    })

    test('are shut out and let in again', async () => {
      assert.ok(json(['users', 'ban', 'ada@example.com', '--for', '1h']).banned_until)
      assert.equal((await signIn('ada@example.com')).error?.code, 'user_banned')
      run(['users', 'unban', 'ada@example.com'])
      assert.ok((await signIn('ada@example.com')).session)
      assert.ok(Date.parse(json(['users', 'ban', 'ada@example.com']).banned_until) > Date.now() + 50 * 365 * 86400e3)
      run(['users', 'unban', 'ada@example.com'])
      refused(['users', 'ban', 'ada@example.com', '--for', 'soon'], 1, /duration/)
    })

    test('get another password', async () => {
      run(['users', 'reset-password', 'ada@example.com', '--stdin'], 'another password')
      assert.ok((await signIn('ada@example.com', 'another password')).session)
      assert.ok((await signIn('ada@example.com')).error)
      const link = run(['users', 'reset-password', 'ada@example.com', '--link']).trim()
      assert.match(link, /\/auth\/v1\/verify\?.*type=recovery/)
      const followed = await fetch(link, { redirect: 'manual' })
      assert.match(followed.headers.get('location'), /access_token=/)
      run(['users', 'reset-password', 'ada@example.com', '--stdin'], PASSWORD)
    })

    test('lose a second factor', async () => {
      const { client } = await signIn('ada@example.com')
      const { data, error } = await client.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' })
      assert.ifError(error)
      const listed = json(['users', 'mfa', 'list', 'ada@example.com'])
      assert.deepEqual(listed.map(({ id, friendly_name }) => [id, friendly_name]), [[data.id, 'phone']])
      run(['users', 'mfa', 'remove', 'ada@example.com', data.id])
      assert.deepEqual(json(['users', 'mfa', 'list', 'ada@example.com']), [])
    })

    test('are acted for, on the record and for a while', async () => {
      const { session } = await signIn('ada@example.com')
      await basalt.sql(`
        create table if not exists notes (owner uuid default auth.uid(), actor text default auth.jwt() -> 'act' ->> 'name', body text);
        alter table notes enable row level security;
        create policy own on notes using (owner = auth.uid());
        grant all on notes to authenticated;
        insert into notes (owner, body) values ('${session.user.id}', 'hers'), (gen_random_uuid(), 'another''s');
        notify pgrst, 'reload schema'`)
      await basalt.untilKnown('/rest/v1/notes?limit=0')
      const acted = json(['users', 'impersonate', 'ada@example.com', '--for', '5m', '--actor', 'support', '--reason', 'ticket 4711'])
      assert.deepEqual([acted.expires_in, acted.refresh_token, acted.user.id], [300, undefined, session.user.id])
      const token = run(['users', 'impersonate', 'ada@example.com', '--aal2']).trim()
      const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
      assert.deepEqual([claims.sub, claims.aal, claims.act.role], [session.user.id, 'aal2', 'service_role'])
      assert.ok(claims.exp - Date.now() / 1000 <= 600)

      // It sees what she sees, and the database is told who looks.
      const ask = (path, options = {}) => fetch(basalt.url + path, {
        ...options,
        headers: { apikey: basalt.keys.ANON_KEY, authorization: `Bearer ${acted.access_token}`, 'content-type': 'application/json', prefer: 'return=representation' },
      })
      assert.deepEqual((await (await ask('/rest/v1/notes?select=body')).json()).map(({ body }) => body), ['hers'])
      const written = await ask('/rest/v1/notes', { method: 'POST', body: '{"body":"by support"}' })
      assert.equal((await written.json())[0].actor, 'support')
      assert.equal((await (await ask('/auth/v1/user')).json()).id, session.user.id)
      // It changes nothing of the account, ends nobody's session and administrates nothing.
      for (const [method, path, body] of [
        ['PUT', '/auth/v1/user', '{"password":"taken over"}'],
        ['POST', '/auth/v1/logout?scope=global', '{}'],
        ['POST', '/auth/v1/factors', '{"factor_type":"totp","friendly_name":"mine"}'],
        ['GET', '/auth/v1/admin/users', undefined],
        ['POST', `/auth/v1/admin/users/${session.user.id}/impersonate`, '{}'],
      ]) assert.equal((await ask(path, { method, body })).status, 403, path)
      assert.ok((await signIn('ada@example.com')).session)
      const [record] = await basalt.sql(`
        select payload -> 'traits' ->> 'reason' as reason, payload -> 'traits' -> 'act' ->> 'name' as name
          from auth.audit_log_entries where payload ->> 'action' = 'user_impersonated' order by created_at limit 1`)
      assert.deepEqual(record, { reason: 'ticket 4711', name: 'support' })
      refused(['users', 'impersonate', 'ada@example.com', '--for', '2h'], 1, /between 1 and 600 seconds/)
      refused(['users', 'impersonate', 'nobody@example.com'], 1, /there is no account/)
      run(['users', 'ban', 'ada@example.com'])
      refused(['users', 'impersonate', 'ada@example.com'], 1, /banned/)
      assert.equal((await ask('/auth/v1/user')).status, 403)
      run(['users', 'unban', 'ada@example.com'])
    })

    test('are deleted, when that was meant', async () => {
      run(['users', 'create', 'gone@example.com'])
      refused(['users', 'delete', 'gone@example.com'], 1, /--yes/)
      run(['users', 'delete', 'gone@example.com', '--yes'])
      refused(['users', 'show', 'gone@example.com'], 1, /there is no account/)
      const { id } = json(['users', 'create', 'soft@example.com'])
      run(['users', 'delete', id, '--yes', '--soft'])
      assert.ok(json(['users', 'show', id]).deleted_at)
    })
  })

  test('sessions are listed and ended', async () => {
    run(['users', 'create', 'eve@example.com', '--password-stdin'], PASSWORD)
    const [one, two] = [await signIn('eve@example.com'), await signIn('eve@example.com')]
    const listed = json(['sessions', 'list', 'eve@example.com'])
    assert.equal(listed.length, 2)
    const id = JSON.parse(Buffer.from(one.session.access_token.split('.')[1], 'base64url')).session_id
    run(['sessions', 'revoke', 'eve@example.com', '--session', id])
    assert.ok((await one.client.auth.refreshSession()).error)
    assert.ifError((await two.client.auth.refreshSession()).error)
    run(['sessions', 'revoke', 'eve@example.com'])
    assert.deepEqual(json(['sessions', 'list', 'eve@example.com']), [])
    assert.ok((await two.client.auth.refreshSession()).error)
  })

  test('API keys are made, rotated and revoked while the server runs', async () => {
    const accepted = (key) => fetch(`${basalt.url}/auth/v1/admin/users`, { headers: { apikey: key } }).then((r) => r.status === 200)
    const made = json(['keys', 'api', 'create', 'shop', '--type', 'secret'])
    await until(() => accepted(made.key), 'a fresh key is accepted')
    const listed = json(['keys', 'api', 'list']).keys
    assert.deepEqual(listed.map(({ name, type }) => [name, type]), [['default', 'publishable'], ['default', 'secret'], ['shop', 'secret']])
    assert.ok(!JSON.stringify(listed).includes(made.key))
    run(['keys', 'api', 'revoke', made.id])
    await until(async () => !(await accepted(made.key)), 'a revoked key is refused')

    const old = basalt.keys.SECRET_KEY
    const { key } = json(['keys', 'api', 'rotate', 'secret'])
    await until(() => accepted(key), 'the rotated key is accepted')
    assert.ok(await accepted(old), 'and the one before')
    assert.equal(basalt.status().SECRET_KEY, key)
    run(['users', 'list'])
    run(['keys', 'api', 'revoke', json(['keys', 'api', 'list']).keys.at(-1).id])
    await until(async () => !(await accepted(old)), 'until it is revoked')
    refused(['keys', 'api', 'revoke', 'secret'], 1, /rotate/)
  })

  test('a password of the database is replaced, and nobody notices who is connected', async () => {
    const before = basalt.keys.DB_URL
    const held = new pg.Client({ connectionString: before })
    await held.connect()
    const { password } = json(['keys', 'password', 'postgres'])
    const connects = async (connectionString) => {
      const client = new pg.Client({ connectionString })
      try {
        await client.connect()
        return true
      } catch (error) {
        assert.equal(error.code, '28P01')
        return false
      } finally {
        await client.end()
      }
    }
    assert.ok(basalt.status().DB_URL.includes(password))
    assert.ok(await connects(basalt.status().DB_URL))
    assert.ok(!(await connects(before)), 'the old one is no password any more')
    assert.equal((await held.query('select 1 as one')).rows[0].one, 1)
    await held.end()
    for (const role of ['authenticator', 'supabase_auth_admin']) run(['keys', 'password', role])
    assert.ok((await signIn('eve@example.com')).session)
    refused(['keys', 'password', 'nobody'], 1, /no role of ours/)
  })

  test('the log is shown, searched and followed, and holds no secret', async () => {
    const id = `looked-for-${Date.now()}`
    const answer = await fetch(`${basalt.url}/auth/v1/health`, { headers: { apikey: basalt.keys.ANON_KEY, 'x-request-id': id } })
    const request = answer.headers.get('sb-request-id')
    await until(() => run(['logs', '--search', request]).includes(request), 'the request is in the log')
    const [line] = run(['logs', '--search', request, '-o', 'json', '-n', '1']).trim().split('\n').map((text) => JSON.parse(text))
    assert.equal(line.path, '/auth/v1/health')
    assert.equal(line.status, 200)
    assert.equal(run(['logs', '-n', '3']).trim().split('\n').length, 3)
    assert.ok(!run(['logs', '--level', 'error', '-n', '1000']).includes(request))

    const follower = spawn(basaltBinary(), ['logs', '-f', '-n', '0', '--data-dir', basalt.dataDir], { env: cleanEnvironment(basalt.env) })
    let text = ''
    follower.stdout.on('data', (chunk) => { text += chunk })
    try {
      await until(async () => {
        await fetch(`${basalt.url}/auth/v1/settings`, { headers: { apikey: basalt.keys.ANON_KEY } })
        return text.includes('/auth/v1/settings')
      }, 'what is logged is followed')
    } finally {
      follower.kill()
    }

    const directory = path.join(basalt.dataDir, 'logs')
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    const kept = readdirSync(directory).map((name) => readFileSync(path.join(directory, name), 'utf8')).join('')
    for (const secret of [PASSWORD, 'another password', basalt.keys.SECRET_KEY, basalt.keys.SERVICE_ROLE_KEY, basalt.keys.JWT_SECRET]) {
      assert.ok(!kept.includes(secret))
    }
  })

  test('shells complete commands', () => {
    for (const [shell, text] of [['bash', /complete -F _basalt/], ['zsh', /#compdef basalt/], ['fish', /complete -c basalt/]]) {
      const printed = spawnAt(['completion', shell], {}).stdout
      assert.match(printed, text)
      assert.match(printed, /reset-password/)
    }
  })

  test('exit codes tell what went wrong', async () => {
    refused(['users', 'list', '--per-page', '0'], 2, /per-page/)
    const elsewhere = { ...basalt.env, BASALT_SERVER__LISTENN: 'x' }
    const wrong = spawnAt(['users', 'list', '--data-dir', basalt.dataDir], elsewhere)
    assert.equal(wrong.status, 3, wrong.stderr)
    assert.equal(spawnAt(['users', 'list', '--data-dir', path.join(basalt.root, 'nothing')], basalt.env).status, 4)
    await basalt.stop()
    for (const words of [
      ['users', 'list'], ['buckets', 'list'], ['storage', 'ls'], ['secrets', 'list'], ['sessions', 'list', 'ada@example.com'],
      ['keys', 'password', 'postgres'], ['db', 'advisors'], ['db', 'lint'], ['gen', 'types', 'typescript'],
      ['import', '--database-url', 'postgresql://u@127.0.0.1:1/d'],
    ]) refused(words, 5, /nothing answers/)
    assert.equal(JSON.parse(run(['status', '-o', 'json'])).API_URL, basalt.url, 'what is known is shown all the same')
    assert.match(run(['logs', '-n', '1']), /\w/, 'the log can be read while the server is down')
  })
})

function spawnAt(words, env) {
  return spawnSync(basaltBinary(), words, { env: cleanEnvironment(env), encoding: 'utf8' })
}
