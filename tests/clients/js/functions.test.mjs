// `functions.invoke` of the unmodified client: functions of a server elsewhere, and of Deno processes that Basalt looks
// after.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket, { WebSocketServer } from 'ws'
import { createClient, PASSWORD } from './client.mjs'
import { Basalt, temporaryDirectory } from './harness.mjs'
import { DENO, needs } from './programs.mjs'

const until = async (holds, what) => {
  const deadline = Date.now() + 20_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what)
    await sleep(50)
  }
}

const signedUp = async (basalt) => {
  const client = createClient(basalt.url, basalt.keys.ANON_KEY)
  const { data } = await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })
  return { client, token: data.session.access_token }
}

const socketEcho = async (url) => {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  socket.send('héllo')
  const [message] = await once(socket, 'message')
  socket.close()
  await once(socket, 'close')
  return message.toString()
}

describe('functions of nobody', () => {
  test('are 501', async () => {
    const basalt = await Basalt.start()
    try {
      const { error } = await createClient(basalt.url, basalt.keys.ANON_KEY).functions.invoke('hello')
      assert.equal(error.name, 'FunctionsHttpError')
      assert.equal(error.context.status, 501)
      assert.match((await error.context.json()).message, /not enabled/)
    } finally {
      await basalt.destroy()
    }
  })
})

describe('functions of an upstream', () => {
  let upstream, basalt, seen

  before(async () => {
    upstream = http.createServer(async (request, response) => {
      const parts = []
      try {
        for await (const part of request) parts.push(part)
      } catch {
        return // cut off, as bodies that are too large are
      }
      const body = Buffer.concat(parts)
      seen = { url: request.url, method: request.method, headers: request.headers, body }
      const name = request.url.split(/[/?]/)[1]
      if (name === 'events') {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': 'https://own.example' })
        response.write('data: one\n\n')
        setTimeout(() => response.end('data: two\n\n'), 400)
      } else if (name === 'fails') {
        response.writeHead(418, { 'content-type': 'application/json' }).end('{"tea":true}')
      } else if (name === 'slow') {
        setTimeout(() => response.end('late'), 5000)
      } else if (name === 'bytes') {
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(body)
      } else {
        response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'], 'sb-request-id': 'forged' })
        response.end(JSON.stringify({ said: body.toString(), name }))
      }
    })
    const sockets = new WebSocketServer({ server: upstream })
    sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(`echo ${message}`)))
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    basalt = await Basalt.start({
      env: {
        BASALT_FUNCTIONS__UPSTREAM: `http://127.0.0.1:${upstream.address().port}`,
        BASALT_FUNCTIONS__EACH__OPEN__VERIFY_JWT: 'false',
        BASALT_FUNCTIONS__TIMEOUT: '2s',
        BASALT_FUNCTIONS__MAX_BODY: '1MiB',
      },
    })
  })
  after(async () => {
    await basalt?.destroy()
    upstream?.closeAllConnections()
    upstream?.close()
  })

  test('are called with body, headers, method and query', async () => {
    const { client, token } = await signedUp(basalt)
    const { data, error } = await client.functions.invoke('hello/deeper', { body: { a: 1 }, headers: { 'x-own': 'yes' } })
    assert.ifError(error)
    assert.deepEqual(data, { said: '{"a":1}', name: 'hello' })
    assert.equal(seen.url, '/hello/deeper')
    assert.equal(seen.headers.authorization, `Bearer ${token}`)
    assert.equal(seen.headers['x-own'], 'yes')
    assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(seen.headers['x-forwarded-host'], new URL(basalt.url).host)
    const answer = await fetch(`${basalt.url}/functions/v1/hello?x=1&apikey=k`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '6.6.6.6', 'sb-api-key': 'service_role' },
    })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.notEqual(answer.headers.get('sb-request-id'), 'forged')
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
    assert.deepEqual([seen.method, seen.url, seen.headers['x-forwarded-for'], seen.headers['sb-api-key']], ['DELETE', '/hello?x=1', '127.0.0.1', undefined])
  })

  test('bytes come through as they are, and too many do not', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 256))
    const authorization = `Bearer ${basalt.keys.ANON_KEY}`
    const echoed = await fetch(`${basalt.url}/functions/v1/bytes`, { method: 'POST', body: bytes, headers: { authorization } })
    assert.ok(bytes.equals(Buffer.from(await echoed.arrayBuffer())))
    const zipped = await fetch(`${basalt.url}/functions/v1/bytes`, { method: 'POST', body: bytes, headers: { authorization, 'content-encoding': 'gzip' } })
    assert.ok(bytes.equals(Buffer.from(await zipped.arrayBuffer())), 'an encoded body is the function\'s to decode')
    const large = await fetch(`${basalt.url}/functions/v1/bytes`, { method: 'POST', body: Buffer.alloc(1_100_000), headers: { authorization } })
    assert.equal(large.status, 413)
    const endless = await fetch(`${basalt.url}/functions/v1/bytes`, {
      method: 'POST', headers: { authorization }, duplex: 'half',
      body: new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65536)) }),
    }).then((answer) => answer.status, () => 'cut off')
    assert.ok(endless === 413 || endless === 'cut off', endless)
  })

  test('events come when they happen', async () => {
    const authorization = `Bearer ${basalt.keys.ANON_KEY}`
    const answer = await fetch(`${basalt.url}/functions/v1/events`, { headers: { authorization, 'accept-encoding': 'gzip, br' } })
    assert.equal(answer.headers.get('content-encoding'), null)
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://own.example', 'a function says who may read it')
    const reader = answer.body.getReader()
    const since = performance.now()
    const first = Buffer.from((await reader.read()).value).toString()
    assert.equal(first, 'data: one\n\n')
    assert.ok(performance.now() - since < 300, 'not held back until the end')
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'data: two\n\n')
  })

  test('a token is asked for, unless it is not', async () => {
    const call = async (name, headers = {}) => {
      const answer = await fetch(`${basalt.url}/functions/v1/${name}`, { method: 'POST', headers })
      return [answer.status, answer.headers.get('sb-error-code')]
    }
    assert.deepEqual(await call('hello'), [401, 'UNAUTHORIZED_NO_AUTH_HEADER'])
    assert.deepEqual(await call('hello', { apikey: basalt.keys.SECRET_KEY }), [401, 'UNAUTHORIZED_NO_AUTH_HEADER'])
    assert.deepEqual(await call('hello', { authorization: 'Basic eDp5' }), [401, 'UNAUTHORIZED_INVALID_JWT_FORMAT'])
    const forged = `${basalt.keys.ANON_KEY.slice(0, -4)}AAAA`
    assert.deepEqual(await call('hello', { authorization: `Bearer ${forged}` }), [401, 'UNAUTHORIZED_LEGACY_JWT'])
    assert.deepEqual(await call('hello', { authorization: `Bearer ${basalt.keys.SERVICE_ROLE_KEY}` }), [200, null])
    assert.deepEqual(await call('open'), [200, null])
    assert.deepEqual(await call('open', { authorization: 'Bearer whatever a webhook sends' }), [200, null])
    const preflight = await fetch(`${basalt.url}/functions/v1/hello`, {
      method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-own' },
    })
    assert.equal(preflight.status, 200)
    assert.equal(preflight.headers.get('access-control-allow-headers'), 'authorization,x-own')
  })

  test('errors are told apart as the client does', async () => {
    const client = createClient(basalt.url, basalt.keys.ANON_KEY)
    const failed = await client.functions.invoke('fails')
    assert.equal(failed.error.name, 'FunctionsHttpError')
    assert.deepEqual([failed.error.context.status, await failed.error.context.json()], [418, { tea: true }])
    const slow = await client.functions.invoke('slow')
    assert.equal(slow.error.name, 'FunctionsRelayError')
    assert.equal(slow.error.context.status, 504)
  })

  test('a WebSocket passes through', async () => {
    assert.equal(await socketEcho(`${basalt.url.replace('http', 'ws')}/functions/v1/open/socket`), 'echo héllo')
  })
})

describe('functions that Deno runs', needs(DENO), () => {
  let root, basalt
  const write = (name, text) => {
    const file = path.join(root, 'supabase', name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  before(async () => {
    root = temporaryDirectory('basalt-functions-')
    write('config.toml', '[functions.open]\nverify_jwt = false\n[functions.off]\nenabled = false\n')
    write('functions/.env', 'GREETING="hé there"\nSUPABASE_URL=http://forged\n')
    write('functions/_shared/words.ts', 'export const word: string = "shared"\n')
    write('functions/hello/index.ts', `
      import { word } from '../_shared/words.ts'
      Deno.serve(async (req: Request) => {
        const { name } = await req.json()
        console.log('greeted ' + name)
        return Response.json({ text: Deno.env.get('GREETING') + ' ' + name, word, path: new URL(req.url).pathname })
      })`)
    write('functions/open/index.ts', `
      Deno.serve({ port: 9999 }, (req) => {
        if (req.headers.get('upgrade') === 'websocket') {
          const { socket, response } = Deno.upgradeWebSocket(req)
          socket.onmessage = (event) => socket.send('echo ' + event.data)
          return response
        }
        const tries = {}
        for (const file of ['/etc/passwd', '../../../data/secrets/keys.json', Deno.env.get('HOME') ?? '/root']) {
          try { Deno.readTextFileSync(file); tries[file] = 'read' } catch (error) { tries[file] = error.name }
        }
        try { new Deno.Command('/usr/bin/id').outputSync(); tries.id = 'ran' } catch (error) { tries.id = error.name }
        return Response.json({ env: Deno.env.toObject(), tries })
      })`)
    write('functions/fetches/index.ts', `export default { fetch: async () => {
      const answer = await fetch(Deno.env.get('SUPABASE_URL') + '/auth/v1/health', { headers: { apikey: Deno.env.get('SUPABASE_ANON_KEY') } })
      return new Response(await answer.text(), { headers: { 'content-type': 'application/json' } })
    } }`)
    write('functions/streams/index.ts', `Deno.serve(() => new Response(new ReadableStream({
      async start(to) {
        for (const word of ['one', 'two']) {
          to.enqueue(new TextEncoder().encode('data: ' + word + '\\n\\n'))
          await new Promise((done) => setTimeout(done, 400))
        }
        to.close()
      },
    }), { headers: { 'content-type': 'text/event-stream' } }))`)
    write('functions/broken/index.ts', 'this is no program')
    write('functions/leaves/index.ts', 'Deno.serve(() => Deno.exit(3))')
    write('functions/limits/index.ts', `Deno.serve(async (req) => {
      const kept = []
      switch (new URL(req.url).pathname.split('/')[2]) {
        case 'spin': for (;;) {}
        case 'grow': for (;;) { kept.push(new Uint8Array(16 * 1024 * 1024).fill(1)); await new Promise((done) => setTimeout(done, 5)) }
        case 'works': for (let n = 0; n < 20; n += 1) {
          for (const end = Date.now() + 100; Date.now() < end;) {}
          await new Promise((done) => setTimeout(done, 60))
        }
      }
      return Response.json({ pid: Deno.pid })
    })`)
    write('functions/off/index.ts', 'Deno.serve(() => new Response("on"))')
    write('basalt.toml', '[functions.env]\nOWN = "of the settings"\nSUPABASE_URL = "http://forged"\n')
    basalt = await Basalt.start({
      args: ['--config', path.join(root, 'supabase', 'basalt.toml')],
      env: {
        BASALT_FUNCTIONS__PATH: path.join(root, 'supabase', 'functions'),
        BASALT_FUNCTIONS__DENO: DENO,
        BASALT_FUNCTIONS__MAX_IDLE: '1s',
        BASALT_FUNCTIONS__MAX_CPU: '1500ms',
        BASALT_FUNCTIONS__MAX_MEMORY: '64MiB',
        PATH: process.env.PATH,
      },
    })
  })
  after(async () => {
    await basalt?.destroy()
    rmSync(root, { recursive: true, force: true })
  })

  test('are called by the client', async () => {
    const { client } = await signedUp(basalt)
    const { data, error } = await client.functions.invoke('hello', { body: { name: 'Ada' } })
    assert.ifError(error)
    assert.deepEqual(data, { text: 'hé there Ada', word: 'shared', path: '/hello' })
    await until(() => basalt.log.includes('greeted Ada'), 'what a function prints is in the log')
    const health = await client.functions.invoke('fetches')
    assert.ifError(health.error)
    assert.equal(health.data.name, 'GoTrue')
  })

  test('see what is theirs and nothing else', async () => {
    const answer = await fetch(`${basalt.url}/functions/v1/open`)
    const { env, tries } = await answer.json()
    assert.equal(env.SUPABASE_URL, basalt.url, 'the file of variables cannot change what is reserved')
    assert.equal(env.SUPABASE_ANON_KEY, basalt.keys.ANON_KEY)
    assert.equal(env.OWN, 'of the settings')
    assert.equal(JSON.parse(env.SUPABASE_SECRET_KEYS).default, basalt.keys.SECRET_KEY)
    assert.deepEqual(Object.keys(env).filter((name) => /^BASALT|^GOTRUE|HOME/.test(name)), [])
    for (const [what, outcome] of Object.entries(tries)) assert.equal(outcome, 'NotCapable', what)
    assert.ok(!basalt.log.includes(basalt.keys.SECRET_KEY))
  })

  test('are not root, and cannot become it', async () => {
    const authorization = `Bearer ${basalt.keys.ANON_KEY}`
    const { pid } = await (await fetch(`${basalt.url}/functions/v1/limits`, { headers: { authorization } })).json()
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name) => status.match(new RegExp(`^${name}:[ \\t]*(.*)$`, 'm'))[1]
    assert.ok(field('Uid').split(/\s+/).every((uid) => uid !== '0'), field('Uid'))
    assert.ok(field('Gid').split(/\s+/).every((gid) => gid !== '0'), field('Gid'))
    if (process.getuid() === 0) assert.equal(field('Groups').trim(), '')
    assert.equal(field('NoNewPrivs'), '1')
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max open files +4096/)
  })

  test('that take too much time or memory are ended, and others go on', async () => {
    const call = async (path) => {
      const answer = await fetch(`${basalt.url}/functions/v1/limits/${path}`, { headers: { authorization: `Bearer ${basalt.keys.ANON_KEY}` } })
      return [answer.status, answer.headers.get('sb-error-code')]
    }
    assert.deepEqual(await call(''), [200, null])
    assert.deepEqual(await call('works'), [200, null], 'whoever rests in between may go on')
    assert.deepEqual(await call('spin'), [546, 'WORKER_LIMIT'])
    assert.deepEqual(await call(''), [200, null])
    assert.deepEqual(await call('grow'), [546, 'WORKER_LIMIT'])
    assert.deepEqual(await call(''), [200, null])
    await until(() => /took too much processor time/.test(basalt.log) && /took too much memory/.test(basalt.log), 'the log says why')
  })

  test('end with the server, whatever they do', async () => {
    const spinning = await Basalt.start({
      env: {
        BASALT_FUNCTIONS__PATH: path.join(root, 'supabase', 'functions'),
        BASALT_FUNCTIONS__DENO: DENO,
        BASALT_FUNCTIONS__MAX_CPU: '10m',
        PATH: process.env.PATH,
      },
    })
    try {
      const headers = { authorization: `Bearer ${spinning.keys.ANON_KEY}` }
      const { pid } = await (await fetch(`${spinning.url}/functions/v1/limits`, { headers })).json()
      fetch(`${spinning.url}/functions/v1/limits/spin`, { headers }).catch(() => {})
      const state = () => {
        try { return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] } catch { return null }
      }
      await until(() => state() === 'R', 'it is busy')
      await spinning.killNow()
      await until(() => [null, 'Z'].includes(state()), 'it is gone')
    } finally {
      await spinning.destroy()
    }
  })

  test('stream, and speak over sockets', async () => {
    const authorization = `Bearer ${basalt.keys.ANON_KEY}`
    const answer = await fetch(`${basalt.url}/functions/v1/streams`, { headers: { authorization } })
    const reader = answer.body.getReader()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'data: one\n\n')
    const since = performance.now()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'data: two\n\n')
    assert.ok(performance.now() - since > 200, 'each part came by itself')
    assert.equal(await socketEcho(`${basalt.url.replace('http', 'ws')}/functions/v1/open`), 'echo héllo')
  })

  test('that are not there, broken, switched off or gone are told apart', async () => {
    const client = createClient(basalt.url, basalt.keys.ANON_KEY)
    const status = async (name) => {
      const { error } = await client.functions.invoke(name)
      return [error?.name, error?.context?.status]
    }
    assert.deepEqual(await status('nothing'), ['FunctionsHttpError', 404])
    assert.deepEqual(await status('off'), ['FunctionsHttpError', 404])
    assert.deepEqual(await status('_shared'), ['FunctionsHttpError', 404])
    assert.deepEqual(await status('broken'), ['FunctionsRelayError', 503])
    assert.deepEqual(await status('leaves'), ['FunctionsHttpError', 500])
  })

  test('are started anew when they change, and stopped when nobody asks', async () => {
    const authorization = `Bearer ${basalt.keys.ANON_KEY}`
    const word = async () => {
      const answer = await fetch(`${basalt.url}/functions/v1/hello`, { method: 'POST', body: '{"name":"x"}', headers: { authorization } })
      return (await answer.json()).word
    }
    assert.equal(await word(), 'shared')
    write('functions/_shared/words.ts', 'export const word: string = "changed"\n')
    await until(async () => (await word()) === 'changed', 'the change is seen')
    const processes = () => {
      const listed = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(basalt.pid)], { encoding: 'utf8' }).stdout
      return listed.split('\n').filter((line) => line.includes('around.js')).length
    }
    assert.ok(processes() >= 1)
    await until(() => processes() === 0, 'idle processes end')
    assert.equal(await word(), 'changed')
  })
})
