// SQL in every place of the URL grammar, of the headers and of the body.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

const SLOW_MS = 4000
const PAYLOADS = [
  "'", '"', '\\', ';', '--', '/*', '$$', '%', ')', "''", '""', "\\'", '$1', '${1}', 'E\'\\x27\'',
  "'; drop table public.canary; --",
  '"; drop table public.canary; --',
  "') ; drop table public.canary; --",
  '"."canary"; delete from public.canary; --',
  "' or '1'='1",
  '" or true --',
  '1) or (1=1',
  "\\'; delete from public.canary; --",
  "$$; drop table public.canary; $$",
  "1; select pg_sleep(5)",
  "'||(select pg_sleep(5))||'",
  '(select pg_sleep(5))::text',
  "' union select id, body from public.ungranted --",
  "id::text) from public.notes; drop table public.canary; --",
  'ʼ; drop table public.canary; --',
  '\r\nx-injected: yes',
  'notes"(id)',
]

const quotedForGrammar = (payload) => `"${payload.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

// Where a request carries text of the caller: from the payload to the request.
const json = { 'content-type': 'application/json' }
const PLACES = {
  table: (p) => ({ path: p }),
  select: (p) => ({ path: 'notes', query: { select: p } }),
  'select among others': (p) => ({ path: 'notes', query: { select: `id,${p},body` } }),
  'select quoted': (p) => ({ path: 'notes', query: { select: quotedForGrammar(p) } }),
  alias: (p) => ({ path: 'notes', query: { select: `${p}:body` } }),
  'alias quoted': (p) => ({ path: 'notes', query: { select: `${quotedForGrammar(p)}:body` } }),
  cast: (p) => ({ path: 'notes', query: { select: `body::${p}` } }),
  'json path': (p) => ({ path: 'notes', query: { select: `data->>${p}` } }),
  'json path in a filter': (p) => ({ path: 'notes', query: { [`data->>${p}`]: 'eq.1' } }),
  'json path in order': (p) => ({ path: 'notes', query: { order: `data->>${p}` } }),
  'embedded relation': (p) => ({ path: 'notes', query: { select: `id,${p}(id)` } }),
  'embedding hint': (p) => ({ path: 'notes', query: { select: `id,canary!${p}(id)` } }),
  aggregate: (p) => ({ path: 'notes', query: { select: `id.${p}()` } }),
  'filter column': (p) => ({ path: 'notes', query: { [p]: 'eq.1' } }),
  'filter operator': (p) => ({ path: 'notes', query: { body: `${p}.1` } }),
  'filter value': (p) => ({ path: 'notes', query: { body: `eq.${p}` }, rows: true }),
  'filter value of a number': (p) => ({ path: 'notes', query: { id: `eq.${p}` } }),
  'filter quantifier': (p) => ({ path: 'notes', query: { body: `like(${p}).{a}` } }),
  'text search language': (p) => ({ path: 'notes', query: { body: `fts(${p}).word` } }),
  'text search words': (p) => ({ path: 'notes', query: { body: `plfts.${p}` } }),
  'like pattern': (p) => ({ path: 'notes', query: { body: `ilike.*${p}*` } }),
  'is value': (p) => ({ path: 'notes', query: { body: `is.${p}` } }),
  'in list': (p) => ({ path: 'notes', query: { body: `in.(a,${p},b)` } }),
  'in list quoted': (p) => ({ path: 'notes', query: { body: `in.(${quotedForGrammar(p)})` }, rows: true }),
  'array value': (p) => ({ path: 'notes', query: { tags: `cs.{${p}}` } }),
  'json value': (p) => ({ path: 'notes', query: { data: `cs.{"a":${JSON.stringify(p)}}` } }),
  'logic operand': (p) => ({ path: 'notes', query: { or: `(body.eq.${p},id.eq.0)` } }),
  'logic column': (p) => ({ path: 'notes', query: { and: `(${p}.eq.1)` } }),
  order: (p) => ({ path: 'notes', query: { order: p } }),
  'order direction': (p) => ({ path: 'notes', query: { order: `id.${p}` } }),
  limit: (p) => ({ path: 'notes', query: { limit: p } }),
  offset: (p) => ({ path: 'notes', query: { offset: p } }),
  'embedded filter': (p) => ({ path: 'notes', query: { [`${p}.id`]: 'eq.1' } }),
  'parameter name with a schema': (p) => ({ path: 'notes', query: { [`public.${p}`]: 'eq.1' } }),
  on_conflict: (p) => ({
    path: 'notes', query: { on_conflict: p }, body: [{ body: 'conflicting' }],
    headers: { prefer: 'resolution=merge-duplicates' },
  }),
  columns: (p) => ({ path: 'notes', query: { columns: p }, body: [{ body: 'columns' }] }),
  'body key': (p) => ({ path: 'notes', body: [{ [p]: 'x' }] }),
  'body value': (p) => ({ path: 'notes', body: [{ body: `stored ${p}` }], stores: true }),
  'csv header': (p) => ({ path: 'notes', raw: `${p}\nx\n`, headers: { 'content-type': 'text/csv' } }),
  'update value': (p) => ({ path: 'notes', method: 'PATCH', query: { id: 'eq.0' }, body: { body: p } }),
  'update key': (p) => ({ path: 'notes', method: 'PATCH', query: { id: 'eq.0' }, body: { [p]: 'x' } }),
  'delete filter': (p) => ({ path: 'canary', method: 'DELETE', query: { body: `eq.${p}` } }),
  'rpc name': (p) => ({ path: `rpc/${p}` }),
  'rpc argument name': (p) => ({ path: 'rpc/echo', query: { [p]: '1' } }),
  'rpc argument': (p) => ({ path: 'rpc/echo', query: { value: p }, echoes: true }),
  'rpc body argument name': (p) => ({ path: 'rpc/echo', body: { [p]: '1' } }),
  'rpc body argument': (p) => ({ path: 'rpc/echo', body: { value: p }, echoes: true }),
  'prefer timezone': (p) => ({ path: 'notes', headers: { prefer: `timezone=${p}` } }),
  'prefer handling': (p) => ({ path: 'notes', headers: { prefer: `handling=strict, ${p}` } }),
  'prefer max-affected': (p) => ({ path: 'notes', headers: { prefer: `handling=strict, max-affected=${p}` } }),
  'accept profile': (p) => ({ path: 'notes', headers: { 'accept-profile': p } }),
  'content profile': (p) => ({ path: 'notes', body: [{ body: 'profile' }], headers: { 'content-profile': p } }),
  range: (p) => ({ path: 'notes', headers: { 'range-unit': 'items', range: p } }),
  accept: (p) => ({ path: 'notes', headers: { accept: p } }),
  'plan options': (p) => ({ path: 'notes', headers: { accept: `application/vnd.pgrst.plan; for="${p}"` } }),
  'content type': (p) => ({ path: 'notes', raw: '[{}]', headers: { 'content-type': p } }),
  'client info': (p) => ({ path: 'notes', headers: { 'x-client-info': p } }),
}

const sendableHeader = (value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

function send(attack, place, payload, token) {
  const { path, query = {}, method, body, raw, headers = {} } = place
  const search = new URLSearchParams(query).toString()
  const data = raw ?? (body && JSON.stringify(body))
  return attack.ask(`/rest/v1/${path === payload ? encodeURIComponent(path) : path.split('/').map(encodeURIComponent).join('/')}${search && `?${search}`}`, {
    method: method ?? (data === undefined ? 'GET' : 'POST'),
    headers: { ...(data !== undefined && json), ...headers },
    body: data,
    token,
    echoed: [payload],
  })
}

export function injection(context) {
  describe('injection', () => {
    for (const [name, place] of Object.entries(PLACES)) {
      test(name, async () => {
        const { ada, attack } = context
        for (const payload of PAYLOADS) {
          const request = place(payload)
          if (!Object.values(request.headers ?? {}).every(sendableHeader)) continue
          const since = performance.now()
          const answer = await send(attack, request, payload, ada.token)
          const said = `${JSON.stringify(payload)}: ${answer.status} ${answer.text}`
          assert.ok(performance.now() - since < SLOW_MS, `slept: ${said}`)
          assert.equal(answer.headers.get('x-injected'), null)
          assert.ok(!answer.text.includes('nobody was granted this'), said)
          assert.ok(!answer.text.includes("bob's own note"), said)
          if (request.rows) assert.deepEqual(answer.json(), [], said)
          if (request.stores) assert.equal(answer.status, 201, said)
          if (request.echoes) assert.equal(answer.json(), payload, said)
        }
      })
    }

    test('what was stored is the text that was sent', async () => {
      const { attack, ada } = context
      const stored = (await attack.ask('/rest/v1/notes?select=body&body=like.stored*', {
        token: ada.token, echoed: PAYLOADS,
      })).json().map((row) => row.body)
      assert.deepEqual(stored.toSorted(), PAYLOADS.map((payload) => `stored ${payload}`).toSorted())
    })

    test('account requests take the payloads as text', async () => {
      const { app, ada, attack } = context
      const service = { apikey: app.serviceKey, authorization: `Bearer ${app.serviceKey}` }
      for (const payload of PAYLOADS) {
        const echoed = [payload]
        const text = encodeURIComponent(payload)
        const login = { email: `${payload}@example.com`, password: payload }
        assert.ok([400, 422].includes((await attack.post('/auth/v1/token?grant_type=password', login, { echoed })).status))
        await attack.post('/auth/v1/token?grant_type=refresh_token', { refresh_token: payload }, { echoed })
        await attack.post(`/auth/v1/token?grant_type=${text}`, {}, { echoed })
        await attack.ask(`/auth/v1/admin/users?filter=${text}&sort=${text}&page=${text}&per_page=${text}`, { headers: service, echoed })
        await attack.ask(`/auth/v1/admin/users/${text}`, { headers: service, echoed })
        await attack.ask(`/auth/v1/logout?scope=${text}`, { method: 'POST', token: ada.token, echoed })
        await attack.ask('/auth/v1/settings', { headers: { apikey: encodeURIComponent(payload) }, echoed })
        const changed = await attack.ask('/auth/v1/user', {
          method: 'PUT', token: ada.token, headers: json, body: JSON.stringify({ data: { note: payload } }), echoed,
        })
        assert.equal(changed.json().user_metadata.note, payload)
      }
    })

    test('everything is where it was', async () => {
      const { basalt, bob, attack } = context
      assert.deepEqual(await basalt.sql('select * from public.canary'), [{ id: 1, body: 'alive' }])
      assert.deepEqual(await basalt.sql('select count(*)::int as n from public.ungranted'), [{ n: 1 }])
      const [own] = (await attack.ask('/rest/v1/notes?select=body', { token: bob.token })).json()
      assert.equal(own.body, "bob's own note")
    })
  })
}
