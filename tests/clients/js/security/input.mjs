// Input that is too big, too deep or no text at all: always a clear refusal, never a 5xx.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brotliCompressSync } from 'node:zlib'

const DEPTH = 20_000
const nested = (open, close) => open.repeat(DEPTH) + close.repeat(DEPTH)
const refusedInput = ({ status, text }) => assert.ok(status >= 400 && status < 500, `${status} ${text}`)

export function input(context) {
  describe('input', () => {
    test('a body over the limit is answered 413', async () => {
      const { app, attack } = context
      const post = (path, length, rest = '') => attack.wire(
        `POST ${path} HTTP/1.1\r\nhost: x\r\napikey: ${app.anonKey}\r\ncontent-type: application/json\r\n` +
        `content-length: ${length}\r\n\r\n${rest}`)
      const auth = await attack.post('/auth/v1/signup', { email: 'a@example.com', password: 'x'.repeat(2 << 20) })
        .catch(() => null) // the server may hang up while the body is still being sent
      if (auth) assert.equal(auth.status, 413, auth.text)
      const { statuses } = await post('/rest/v1/notes', 2 ** 31, '['.repeat(1024))
      assert.deepEqual(statuses, [413])
      const { statuses: absurd } = await post('/rest/v1/notes', '9'.repeat(30))
      assert.ok(absurd[0] >= 400 && absurd[0] < 500, `${absurd}`)
    })

    test('a body that grows over the limit in chunks is answered 413', async () => {
      const { app, attack } = context
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
      const { statuses, closed } = await attack.wire(
        `POST /auth/v1/signup HTTP/1.1\r\nhost: x\r\napikey: ${app.anonKey}\r\ncontent-type: application/json\r\n` +
        `transfer-encoding: chunked\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`)
      if (statuses.length > 0) assert.equal(statuses[0], 413)
      else assert.ok(closed)
    })

    test('an encoded body is refused and not decoded', async () => {
      const { attack } = context
      // A few hundred bytes that stand for 64 MiB.
      const bomb = brotliCompressSync(Buffer.alloc(64 << 20, 32))
      for (const path of ['/auth/v1/verify', '/auth/v1/signup', '/rest/v1/notes']) {
        for (const encoding of ['br', 'gzip', 'deflate', 'zstd']) {
          const answer = await attack.post(path, bomb, { headers: { 'content-encoding': encoding } })
          assert.equal(answer.status, 415, answer.text)
        }
      }
    })

    test('HTTP/2 in clear is not spoken', async () => {
      const { attack } = context
      const { statuses } = await attack.wire('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
      assert.ok(statuses.every((status) => status >= 400 && status < 500), `${statuses}`)
    })

    test('JSON 20,000 levels deep is answered 400', async () => {
      const { ada, attack } = context
      for (const body of [nested('[', ']'), nested('{"a":', '}').replace('}', '1}'),
        `{"body":"deep","data":${nested('[', ']')}}`, '['.repeat(DEPTH)]) {
        for (const path of ['/rest/v1/notes', '/rest/v1/rpc/echo']) {
          const answer = await attack.post(path, body, { token: ada.token })
          assert.equal(answer.status, 400, answer.text)
        }
        for (const path of ['/auth/v1/signup', '/auth/v1/token?grant_type=password']) {
          const answer = await attack.post(path, body)
          assert.equal(answer.status, 400, answer.text)
        }
      }
    })

    test('malformed JSON is answered 400', async () => {
      const { ada, attack } = context
      for (const body of ['', '{', '{"body":', '[1,]', '{"body":"a"}{"body":"b"}', "{'body':'a'}", 'NaN', '{"a":1e999999}',
        '{"body":"\\ud800"}', '\ufeff{"body":"bom"}x']) {
        refusedInput(await attack.post('/rest/v1/notes', body, { token: ada.token, echoed: [body] }))
        refusedInput(await attack.post('/auth/v1/signup', body, { echoed: [body] }))
      }
      for (const body of ['"text"', '1', 'null', 'true', '[]']) { // no object: no row and no account
        refusedInput(await attack.post('/auth/v1/signup', body))
        const before = (await attack.ask('/rest/v1/notes', { token: ada.token })).text
        await attack.post('/rest/v1/notes', body, { token: ada.token })
        assert.equal((await attack.ask('/rest/v1/notes', { token: ada.token })).text, before)
      }
    })

    test('grammar of absurd size is refused', async () => {
      const { ada, attack } = context
      const many = (text, count = 3000) => Array.from({ length: count }, (_, n) => text.replaceAll('#', n)).join(',')
      const embedded = `${'notes('.repeat(1000)}id${')'.repeat(1000)}`
      for (const query of [`select=${many('id')}`, `select=${many('a#:id')}`, `select=${many('missing#')}`,
        `select=${embedded}`, `and=${'(and'.repeat(2000)}(id.eq.1)${')'.repeat(2000)}`,
        `order=${many('missing#')}`, `select=data->${many('a', 2000).replaceAll(',', '->')}`]) {
        const answer = await attack.ask(`/rest/v1/notes?${query}`, { token: ada.token })
        assert.ok(answer.status < 500)
      }
      const manyColumns = await attack.post(`/rest/v1/notes?columns=${many('c#')}`, [{}], { token: ada.token })
      refusedInput(manyColumns)
      refusedInput(await attack.ask(`/rest/v1/notes?select=${many('a#:id')}`, { token: ada.token }))
      refusedInput(await attack.ask('/rest/v1/notes?limit=-1', { token: ada.token }))
      for (const query of [`limit=${'9'.repeat(400)}`, `offset=${'9'.repeat(400)}`, 'limit=1e9', 'offset=-1']) {
        await attack.ask(`/rest/v1/notes?${query}`, { token: ada.token })
      }
    })

    test('broken UTF-8 is refused', async () => {
      const { app, ada, attack } = context
      const broken = ['%ff', '%c3%28', '%ed%a0%80', '%f8%88%80%80%80', 'a%80']
      for (const bytes of broken) {
        for (const path of [`/rest/v1/notes?body=eq.${bytes}`, `/rest/v1/notes?${bytes}=eq.1`, `/rest/v1/${bytes}`,
          `/rest/v1/notes?select=${bytes}`, `/rest/v1/notes?order=${bytes}`, `/rest/v1/rpc/echo?value=${bytes}`,
          `/rest/v1/notes?body=in.(${bytes})`]) {
          refusedInput(await attack.ask(path, { token: ada.token }))
        }
      }
      for (const head of ['{"body":"', '{"']) {
        const body = Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xfe, 0xc3, 0x28]), Buffer.from('":1}')])
        refusedInput(await attack.post('/rest/v1/notes', body, { token: ada.token }))
        refusedInput(await attack.post('/auth/v1/signup', body))
      }
      const raw = await attack.wire(Buffer.concat([
        Buffer.from('GET /rest/v1/notes?body=eq.'), Buffer.from([0xff, 0xfe]),
        Buffer.from(` HTTP/1.1\r\nhost: x\r\napikey: ${app.anonKey}\r\nconnection: close\r\n\r\n`)]))
      assert.ok(raw.statuses[0] >= 400 && raw.statuses[0] < 500, `${raw.statuses}`)
    })

    test('NUL bytes are refused', async () => {
      const { ada, attack } = context
      for (const path of ['/rest/v1/notes?body=eq.a%00b', '/rest/v1/notes?bo%00dy=eq.a', '/rest/v1/no%00tes',
        '/rest/v1/notes?select=bo%00dy', '/rest/v1/notes?order=bo%00dy', '/rest/v1/rpc/echo?value=a%00b',
        '/rest/v1/notes?body=in.(a,%00)', '/rest/v1/notes?tags=cs.{%00}', '/rest/v1/notes?data->>%00=eq.1',
        '/rest/v1/notes?body=like.%00*']) {
        refusedInput(await attack.ask(path, { token: ada.token }))
      }
      for (const body of [{ body: 'a\u0000b' }, { body: 'x', data: { a: '\u0000' } }, { body: 'x', tags: ['\u0000'] },
        { 'bo\u0000dy': 'x' }]) {
        refusedInput(await attack.post('/rest/v1/notes', body, { token: ada.token }))
      }
      refusedInput(await attack.post('/rest/v1/rpc/echo', { value: 'a\u0000b' }))
      for (const body of [{ email: 'a\u0000@example.com', password: 'a-long-password' },
        { email: 'nul-in-data@example.com', password: 'a-long-password', data: { name: 'a\u0000b' } },
        { email: 'nul-in-key@example.com', password: 'a-long-password', data: { 'a\u0000b': 1 } }]) {
        refusedInput(await attack.post('/auth/v1/signup', body))
      }
      refusedInput(await attack.post('/auth/v1/token?grant_type=password',
        { email: 'a\u0000@example.com', password: 'a-long-password' }))
      refusedInput(await attack.post('/auth/v1/token?grant_type=refresh_token', { refresh_token: 'aaaa\u0000aaaaaaa' }))
    })

    test('wrong types in account requests are refused', async () => {
      const { ada, attack } = context
      const password = 'a-long-password'
      for (const body of [{ email: 7, password }, { email: ['a@example.com'], password }, { email: {}, password },
        { email: 'x@example.com', password: 7 }, { email: 'x@example.com', password: 'x'.repeat(73) },
        { email: 'x'.repeat(400) + '@example.com', password }, { email: 'no address', password },
        { email: 'a@example.com\r\nbcc: b@example.com', password }, { email: 'x@example.com', password, data: [1] }]) {
        refusedInput(await attack.post('/auth/v1/signup', body))
      }
      for (const query of ['', '?grant_type=', '?grant_type=none', '?grant_type=password&grant_type=refresh_token']) {
        refusedInput(await attack.post(`/auth/v1/token${query}`, {}))
      }
      for (const id of ['1', 'me', '..', '%2e%2e%2fsettings', "'", '00000000-0000-0000-0000-00000000000g']) {
        const answer = await attack.ask(`/auth/v1/admin/users/${id}`, {
          headers: { apikey: context.app.serviceKey, authorization: `Bearer ${context.app.serviceKey}` },
          echoed: [id],
        })
        if (id !== '..') refusedInput(answer)
      }
      refusedInput(await attack.ask('/auth/v1/logout?scope=everybody', { method: 'POST', token: ada.token }))
    })
  })
}
