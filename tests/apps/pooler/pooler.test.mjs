// The data API behind PgBouncer in transaction mode: each transaction may run on another connection of the server,
// and whatever stays on one reaches somebody else.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { signHs256 } from '../../clients/js/client.mjs'
import { Basalt } from '../../clients/js/harness.mjs'
import { DataApi, PgBouncer, isInstalled } from './pgbouncer.mjs'

const SCHEMA = new URL('schema.sql', import.meta.url)
const SECRET = 'a secret of thirty-two characters or more'
const LOGIN = { user: 'pooled', password: 'only for this test' }
const CONNECTIONS = 3 // far fewer than requests at a time, so that they meet
const AT_A_TIME = 24
const ROUNDS = 20

const CALLERS = [
  { role: 'anon', sub: null, zone: 'Europe/Paris' },
  { role: 'authenticated', sub: 'ada', zone: 'America/Lima' },
  { role: 'authenticated', sub: 'bob', zone: 'Africa/Cairo' },
].map((caller) => ({
  ...caller,
  agent: `client of ${caller.sub}`,
  token: caller.sub && signHs256({ ...caller, exp: Math.floor(Date.now() / 1000) + 3600 }, SECRET),
}))

describe('behind PgBouncer', { skip: !isInstalled() && 'pgbouncer is not installed' }, () => {
  let basalt, bouncer, start, api

  before(async () => {
    basalt = await Basalt.start()
    await basalt.loadSchema(SCHEMA, 'notes')
    bouncer = await PgBouncer.start({ dbPort: basalt.dbPort, connections: CONNECTIONS, ...LOGIN })
    const login = encodeURI(`${LOGIN.user}:${LOGIN.password}`)
    const url = (port) => `postgresql://${login}@127.0.0.1:${port}/postgres`
    start = (settings) => DataApi.start(url(bouncer.port), {
      PGRST_JWT_SECRET: SECRET,
      PGRST_DB_ANON_ROLE: 'anon',
      PGRST_DB_SCHEMAS: 'public',
      BASALT_DATABASE__DIRECT_URL: url(basalt.dbPort),
      ...settings,
    })
    api = await start({ PGRST_DB_PREPARED_STATEMENTS: 'false' })
  })
  after(async () => {
    await api?.stop()
    await bouncer?.stop()
    await basalt?.destroy()
  })

  async function send(caller, method, path, { body, headers = {}, expect = 200 } = {}) {
    const response = await fetch(api.url + path, {
      method,
      body: body && JSON.stringify(body),
      headers: {
        'User-Agent': caller.agent,
        ...(caller.token && { Authorization: `Bearer ${caller.token}` }),
        ...(body && { 'Content-Type': 'application/json' }),
        ...headers,
      },
    })
    const text = await response.text()
    assert.equal(response.status, expect, `${method} ${path}: ${text}`)
    return text && JSON.parse(text)
  }

  // Every request of every caller at once, so many at a time, in an order that mixes them.
  async function crowd(question) {
    const waiting = Array.from({ length: ROUNDS * AT_A_TIME }, (_, n) => n)
    await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
      while (waiting.length) {
        const n = waiting.pop()
        await question(CALLERS[n % CALLERS.length], n)
      }
    }))
  }

  test('each request runs as its caller, with its own settings', async () => {
    await crowd(async (caller) => {
      const headers = { Prefer: `timezone=${caller.zone}` }
      const { role, sub, agent, zone } = await send(caller, 'POST', '/rpc/whoami', { headers, body: {} })
      assert.deepEqual({ role, sub, agent, zone },
        { role: caller.role, sub: caller.sub, agent: caller.agent, zone: caller.zone })
    })
  })

  test('rows are those of the caller, also where a transaction takes several trips', async () => {
    const one = { Accept: 'application/vnd.pgrst.object+json', Prefer: 'return=representation' }
    const questions = [
      async (caller) => {
        const [note] = await send(caller, 'POST', '/notes',
          { body: { body: 'x' }, headers: { Prefer: 'return=representation' }, expect: 201 })
        assert.equal(note.owner, caller.sub)
        const changed = await send(caller, 'PATCH', `/notes?id=eq.${note.id}`, { body: { body: 'y' }, headers: one })
        assert.deepEqual(changed, { ...note, body: 'y' })
      },
      async (caller) => {
        const notes = await send(caller, 'GET', '/notes?select=owner&limit=100')
        assert.deepEqual([...new Set(notes.map(({ owner }) => owner))].filter((owner) => owner !== caller.sub), [])
      },
      async (caller) => {
        const requests = [
          { method: 'POST', path: '/notes', body: { body: 'y' }, headers: { Prefer: 'return=representation' } },
          { method: 'POST', path: '/rpc/whoami', body: {} },
        ]
        const headers = { 'Content-Type': 'application/vnd.basalt.batch+json' }
        const { responses: [noted, asked] } = await send(caller, 'POST', '/batch', { body: { requests }, headers })
        assert.deepEqual([noted.body[0].owner, asked.body.role, asked.body.sub], [caller.sub, caller.role, caller.sub])
      },
      (caller) => send(caller, 'PATCH', '/notes', { body: { body: 'z' }, headers: one, expect: 406 }), // not one
      (caller) => send(caller, 'POST', '/notes', { body: { body: '' }, expect: 400 }), // refused by the table
    ]
    await send(CALLERS[1], 'POST', '/notes', { body: [{ body: 'a' }, { body: 'b' }], expect: 201 })
    await send(CALLERS[2], 'POST', '/notes', { body: [{ body: 'a' }, { body: 'b' }], expect: 201 })
    await crowd((caller, n) => {
      if (caller.sub === null) return send(caller, 'GET', '/notes').then((notes) => assert.deepEqual(notes, []))
      return questions[Math.floor(n / CALLERS.length) % questions.length](caller)
    })
    const [{ n }] = await basalt.sql(`select count(*)::int as n from public.notes where body in ('', 'x', 'z')`)
    assert.equal(n, 0)
  })

  async function remembering(headers) {
    await crowd(async (caller, n) => {
      if (n % 2) return send(caller, 'POST', '/rpc/remember', { body: { word: caller.agent }, headers: headers(n) })
      const { word, zone } = await send(caller, 'POST', '/rpc/whoami', { body: {} })
      assert.deepEqual([word, zone === 'Asia/Tokyo'], [null, false])
    })
  }

  // The length moves the end of the transaction across the borders of PgBouncer's buffers.
  test('what a function sets for the session reaches nobody else', () =>
    remembering((n) => ({ Cookie: `at=${'='.repeat(17 * n % 4096)}` })))

  test('nor where the rows decide how the transaction ends', () =>
    remembering(() => ({ Accept: 'application/vnd.pgrst.object+json' })))

  test('few connections served all of it', async () => {
    const backends = await basalt.sql(`select query from pg_stat_activity where usename = '${LOGIN.user}'`)
    const listeners = backends.filter(({ query }) => query.toLowerCase().includes('listen'))
    assert.equal(listeners.length, 1, 'one that goes past the pooler')
    assert.ok(backends.length - listeners.length <= CONNECTIONS, JSON.stringify(backends))
  })

  test('a change of the schema is seen, and nothing fails meanwhile', async () => {
    await basalt.sql('create table public.news (id int); grant select on public.news to anon')
    await basalt.sql('alter table public.notes add column pinned boolean')
    const status = async (path) => (await fetch(api.url + path)).status
    const deadline = Date.now() + 10_000
    while (await status('/news') !== 200 || await status('/notes?select=pinned') !== 200) {
      assert.ok(Date.now() < deadline, api.log)
      await sleep(20)
    }
    await crowd((caller) => send(caller, 'GET', '/notes?limit=1'))
  })

  test('statements that are kept by mistake are noticed, and no answer is of another', async () => {
    await api.stop()
    // What the first leaves on the connections of the pooler must not trip the second.
    for (let process = 0; process < 2; process += 1) {
      api = await start({})
      await crowd(async (caller) => {
        const { role, sub } = await send(caller, 'POST', '/rpc/whoami', { body: {} })
        assert.deepEqual({ role, sub }, { role: caller.role, sub: caller.sub })
        await send(caller, 'GET', '/notes?limit=1')
      })
      assert.match(api.log, /prepared statements get lost/)
      if (process === 0) await api.stop()
    }
  })
})
