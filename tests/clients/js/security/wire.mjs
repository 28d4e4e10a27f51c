// Requests whose length is ambiguous: refused, the connection closed, and nothing hidden in them carried out.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

export function wire(context) {
  const headers = () => {
    const { app } = context
    return `host: x\r\napikey: ${app.serviceKey}\r\nauthorization: Bearer ${app.serviceKey}\r\n` +
      'content-type: application/json\r\n'
  }
  const insertion = (body) => {
    const text = JSON.stringify({ id: 100, body })
    return `POST /rest/v1/smuggled HTTP/1.1\r\n${headers()}content-length: ${text.length}\r\n\r\n${text}`
  }
  const post = (lengthHeaders, body) => `POST /rest/v1/rpc/echo HTTP/1.1\r\n${headers()}${lengthHeaders}\r\n\r\n${body}`
  const smuggled = async () => (await context.basalt.sql('select body from public.smuggled')).map((row) => row.body)

  async function refusedAndClosed(bytes) {
    const { statuses, closed, text } = await context.attack.wire(bytes)
    assert.ok(statuses.length <= 1, `more than one answer: ${text}`)
    if (statuses.length === 1) assert.equal(statuses[0], 400, text)
    assert.ok(closed, `the connection stays open: ${text}`)
    assert.deepEqual(await smuggled(), [])
  }

  describe('wire', () => {
    test('the channel of these tests works', async () => {
      const { basalt, attack } = context
      const { statuses } = await attack.wire(insertion('plain'))
      assert.deepEqual(statuses, [201])
      assert.deepEqual(await smuggled(), ['plain'])
      await basalt.sql('truncate public.smuggled')
    })

    const hidden = () => insertion('hidden')
    const BODY = '{"value":"a"}'
    const CASES = {
      'two different lengths': () => post(`content-length: ${BODY.length}\r\ncontent-length: 5`, BODY + hidden()),
      'two equal lengths': () => post(`content-length: ${BODY.length}\r\ncontent-length: ${BODY.length}`, BODY),
      'a list of lengths': () => post(`content-length: ${BODY.length}, 5`, BODY + hidden()),
      'a list of equal lengths': () => post(`content-length: ${BODY.length}, ${BODY.length}`, BODY),
      'a signed length': () => post(`content-length: +${BODY.length}`, BODY),
      'a negative length': () => post('content-length: -1', BODY + hidden()),
      'a hexadecimal length': () => post('content-length: 0xd', BODY),
      'an empty length': () => post('content-length: ', BODY + hidden()),
      'length and chunks': () => post('content-length: 5\r\ntransfer-encoding: chunked', `0\r\n\r\n${hidden()}`),
      'chunks and length': () => post('transfer-encoding: chunked\r\ncontent-length: 5', `0\r\n\r\n${hidden()}`),
      'length and chunks, the length longer': () => post(
        `content-length: ${hidden().length + 5}\r\ntransfer-encoding: chunked`, `0\r\n\r\n${hidden()}`),
      'unknown encoding': () => post('transfer-encoding: xchunked', `0\r\n\r\n${hidden()}`),
      'chunked not last': () => post('transfer-encoding: chunked, identity', `0\r\n\r\n${hidden()}`),
      'two encodings': () => post('transfer-encoding: chunked\r\ntransfer-encoding: identity', `0\r\n\r\n${hidden()}`),
      'a space before the colon': () => post(`content-length : ${BODY.length}`, BODY + hidden()),
      'a chunk size that overflows': () => post('transfer-encoding: chunked', `ffffffffffffffff1\r\na\r\n0\r\n\r\n${hidden()}`),
      'a chunk size that is none': () => post('transfer-encoding: chunked', `zz\r\na\r\n0\r\n\r\n${hidden()}`),
    }
    for (const [name, bytes] of Object.entries(CASES)) {
      test(name, () => refusedAndClosed(bytes()))
    }

    test('a bad request line or header is refused', async () => {
      const { attack } = context
      for (const bytes of ['GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', `GET /rest/v1/notes\u0000 HTTP/1.1\r\nhost: x\r\n\r\n`,
        `GET / HTTP/1.1\r\nhost: x\r\nx: a\u0000b\r\n\r\n`, `GET / HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(5000)}\r\n`,
        `GET /${'a'.repeat(1 << 20)} HTTP/1.1\r\nhost: x\r\n\r\n`, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(1 << 20)}\r\n\r\n`]) {
        const { statuses, closed, text } = await attack.wire(bytes)
        assert.ok(statuses.every((status) => status >= 400 && status < 500), text.slice(0, 200))
        assert.ok(closed || statuses.length > 0, `neither answered nor closed: ${bytes.slice(0, 40)}`)
      }
      assert.equal((await attack.ask('/rest/v1/rpc/whoami')).status, 200)
    })
  })
}
