// Attempts to act in Postgres as somebody else, and to leave something behind for the next request.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signHs256 } from '../client.mjs'

const PRIVILEGED = ['postgres', 'supabase_admin', 'supabase_auth_admin', 'authenticator', 'pg_read_all_data',
  'pg_monitor', 'no_such_role']
const ODD_NAMES = ['service_role\u0000', 'anon\u0000service_role', 'service_role\n', '', ' ', '"postgres"',
  'anon; set role postgres', 'none', 'x'.repeat(10_000), 'SERVICE_ROLE']

export function escalation(context) {
  const whoami = async (token) =>
    (await context.attack.ask('/rest/v1/rpc/whoami', token ? { token } : {})).json()

  // Every pooled connection is asked: more requests at once than there are connections, twice.
  async function nothingStays() {
    for (let turn = 0; turn < 2; turn += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) =>
        whoami(n % 2 ? context.ada.token : undefined)))
      answers.forEach(({ role, claims, marker, search_path, statement_timeout }, n) => {
        assert.equal(role, n % 2 ? 'authenticated' : 'anon')
        assert.equal(claims.role, role)
        assert.equal(claims.sub, n % 2 ? context.ada.id : undefined)
        assert.equal(marker, null)
        assert.match(search_path, /public/)
        assert.notEqual(statement_timeout, '50ms')
      })
    }
  }

  describe('escalation', () => {
    test('a signed role claim outside the API roles gets nothing', async (t) => {
      const { app, ada, attack } = context
      for (const role of [...PRIVILEGED, ...ODD_NAMES, 7, null, ['service_role'], { role: 'service_role' }]) {
        await t.test(JSON.stringify(role).slice(0, 40), async () => {
          const claims = { role, sub: ada.id, exp: Math.floor(Date.now() / 1000) + 60 }
          const token = signHs256(claims, app.basalt.keys.JWT_SECRET)
          for (const table of ['notes', 'ungranted']) {
            const answer = await attack.ask(`/rest/v1/${table}`, { token })
            if (answer.status === 200) assert.deepEqual(answer.json(), [], 'rows for a made-up role')
            else assert.ok([400, 401, 403].includes(answer.status), answer.text)
          }
          const admin = await attack.ask('/auth/v1/admin/users', { token })
          assert.ok(role === 'supabase_admin' ? admin.status === 200 || admin.status === 403
            : [400, 401, 403].includes(admin.status), admin.text)
        })
      }
      await nothingStays()
    })

    test('claims with control characters are refused', async () => {
      const { app, attack } = context
      const exp = Math.floor(Date.now() / 1000) + 60
      for (const odd of [{ sub: 'a\u0000b' }, { role: 'authenticated', 'na\u0000me': 1 }]) {
        const token = signHs256({ role: 'authenticated', exp, ...odd }, app.basalt.keys.JWT_SECRET)
        const answer = await attack.ask('/rest/v1/notes', { token })
        assert.ok([400, 401, 403].includes(answer.status), answer.text)
      }
    })

    test('a function cannot turn into a privileged role', async () => {
      const { ada, attack } = context
      for (const token of [undefined, ada.token]) {
        for (const name of ['postgres', 'supabase_admin', 'supabase_auth_admin', 'supabase_storage_admin',
          'pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program']) {
          for (const [rpc, args] of [['become', { name, for_transaction: true }],
            ['become', { name, for_transaction: false }], ['become_by_statement', { name }],
            ['become_in_session', { name }]]) {
            const answer = await attack.post(`/rest/v1/rpc/${rpc}`, args, { token })
            assert.ok([401, 403].includes(answer.status), `${rpc} ${name}: ${answer.status} ${answer.text}`)
            assert.equal(answer.json().code, '42501')
          }
        }
      }
      await nothingStays()
    })

    test('resetting the role gives no rights', async () => {
      const { ada, attack } = context
      const answer = await attack.post('/rest/v1/rpc/reset_role', {}, { token: ada.token })
      assert.equal(answer.json().code, '42501', answer.text)
      await nothingStays()
    })

    test('a function that turns into another API role leaves nothing behind', async () => {
      const { ada, attack } = context
      for (const for_transaction of [true, false]) {
        await attack.post('/rest/v1/rpc/become', { name: 'service_role', for_transaction }, { token: ada.token })
        await attack.post('/rest/v1/rpc/become', { name: 'anon', for_transaction }, { token: ada.token })
      }
      await attack.post('/rest/v1/rpc/become_by_statement', { name: 'service_role' }, { token: ada.token })
      await nothingStays()
    })

    test('settings made for the session do not outlive the request', async () => {
      const { ada, attack } = context
      const claims = JSON.stringify({ role: 'service_role', sub: ada.id })
      // A limit so short that only what comes later can miss it, not the end of the request that sets it.
      for (const [name, value] of [['test.marker', 'left behind'], ['statement_timeout', '50'],
        ['search_path', 'pg_temp'], ['request.jwt.claims', claims], ['request.jwt.claim.sub', ada.id],
        ['role', 'service_role'], ['default_transaction_read_only', 'on'], ['row_security', 'off']]) {
        const answers = await Promise.all(Array.from({ length: 12 }, () =>
          attack.post('/rest/v1/rpc/set_for_session', { name, value })))
        assert.ok(answers.every(({ status }) => status < 500), name)
        await nothingStays()
      }
      const written = await attack.post('/rest/v1/notes', { body: 'still writable' }, { token: ada.token })
      assert.equal(written.status, 201, written.text)
      const removed = await attack.ask('/rest/v1/notes?body=eq.still%20writable', { method: 'DELETE', token: ada.token })
      assert.equal(removed.status, 204)
    })

    test('headers set no claims and no role', async () => {
      const { ada, attack } = context
      const claims = JSON.stringify({ role: 'service_role', sub: ada.id })
      for (const headers of [{ 'request.jwt.claims': claims }, { 'request-jwt-claims': claims }, { role: 'service_role' },
        { 'x-role': 'service_role' }, { 'x-user-id': ada.id }, { 'sb-api-key': 'service_role' }, { 'x-jwt-claims': claims },
        { 'x-forwarded-user': ada.id }, { 'x-forwarded-for': '127.0.0.1' }, { 'x-hasura-role': 'service_role' },
        { 'sb-auth-user-id': ada.id }, { 'x-jwt-aud': 'service_role' }, { forwarded: 'for=127.0.0.1' }]) {
        const seen = (await attack.ask('/rest/v1/rpc/whoami', { headers })).json()
        assert.equal(seen.role, 'anon')
        assert.equal(seen.claims.role, 'anon')
        assert.equal(seen.claims.sub, undefined)
        assert.deepEqual((await attack.ask('/rest/v1/notes', { headers })).json(), [])
      }
    })

    test('parameters set no claims and no role', async () => {
      const { attack } = context
      for (const query of ['role=service_role', 'request.jwt.claims={}', 'apikey[]=x']) {
        const answer = await attack.ask(`/rest/v1/notes?${query}`)
        if (answer.status === 200) assert.deepEqual(answer.json(), [])
      }
    })

    test('a table without grants stays closed even to the service role', async () => {
      const { app, attack, ada } = context
      assert.equal((await attack.ask('/rest/v1/ungranted')).status, 401)
      assert.equal((await attack.ask('/rest/v1/ungranted', { token: ada.token })).status, 403)
      const service = await attack.ask('/rest/v1/ungranted', {
        headers: { apikey: app.serviceKey, authorization: `Bearer ${app.serviceKey}` },
      })
      assert.equal(service.status, 403)
    })

    test('only exposed schemas are reachable', async (t) => {
      const { app, ada, attack } = context
      for (const schema of ['auth', 'vault', 'basalt', 'storage', 'realtime', 'extensions', 'pg_catalog',
        'information_schema', 'Public', 'public,auth', 'auth,public', '"auth"', 'public"', "public'--"]) {
        await t.test(schema, async () => {
          for (const headers of [{}, { apikey: app.serviceKey, authorization: `Bearer ${app.serviceKey}` }]) {
            const read = await attack.ask('/rest/v1/users', { headers: { 'accept-profile': schema, ...headers } })
            assert.equal(read.status, 406, read.text)
            assert.equal(read.json().code, 'PGRST106')
            const written = await attack.post('/rest/v1/users', {}, { headers: { 'content-profile': schema, ...headers } })
            assert.equal(written.status, 406, written.text)
          }
        })
      }
      for (const path of ['auth.users', 'rpc/pg_sleep', 'rpc/pg_read_file', 'rpc/set_config', 'rpc/uid', 'pg_authid',
        'rpc/auth.uid', 'rpc/pg_catalog.version', 'rpc/version', 'rpc/lo_import', 'rpc/dblink', 'secrets']) {
        const answer = await attack.ask(`/rest/v1/${path}`, { token: ada.token, echoed: [path] })
        assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status} ${answer.text}`)
      }
    })
  })
}
