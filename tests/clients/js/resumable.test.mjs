// The real tus-js-client against the real binary: pieces, pauses, restarts, parallel uploads, signed URLs.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as tus from 'tus-js-client'
import { createClient } from './client.mjs'
import { Basalt } from './harness.mjs'

const PIECE = 256 * 1024
const BUCKET = 'files'

const sum = (bytes) => createHash('sha256').update(Buffer.from(bytes)).digest('hex')

describe('resumable uploads', () => {
  let basalt, service, user, owner

  before(async () => {
    basalt = await Basalt.start()
    service = createClient(basalt.url, basalt.keys.SERVICE_ROLE_KEY)
    const anonymous = createClient(basalt.url, basalt.keys.ANON_KEY)
    const { data, error } = await anonymous.auth.signUp({ email: 'up@example.com', password: 'a long enough password' })
    assert.equal(error, null)
    user = data.session.access_token
    owner = data.user.id
    assert.equal((await service.storage.createBucket(BUCKET, { fileSizeLimit: '20mb' })).error, null)
    await basalt.sql(`create policy mine on storage.objects for insert to authenticated
      with check (owner_id = (select auth.uid())::text)`)
  })
  after(() => basalt?.destroy())

  // An upload as the Supabase documentation has it; `then` gets it once it runs.
  const upload = (name, content, { token = user, headers = {}, ...options } = {}) => {
    let one
    const done = new Promise((resolve, reject) => {
      one = new tus.Upload(content, {
        endpoint: `${basalt.url}/storage/v1/upload/resumable`,
        retryDelays: [50, 100, 200, 400, 800, 1000, 1000, 1000],
        headers: { authorization: `Bearer ${token}`, ...headers },
        chunkSize: PIECE,
        metadata: {
          bucketName: BUCKET, objectName: name, contentType: 'text/plain', cacheControl: '60',
          metadata: JSON.stringify({ from: 'tus' }),
        },
        onError: reject,
        onSuccess: () => resolve(one),
        ...options,
      })
    })
    return { one, done }
  }

  const stored = async (name) => {
    const { data, error } = await service.storage.from(BUCKET).download(name)
    assert.equal(error, null, name)
    return sum(await data.arrayBuffer())
  }

  const info = async (name) => {
    const { data, error } = await service.storage.from(BUCKET).info(name)
    assert.equal(error, null, name)
    return data
  }

  test('pieces become an object with what is told of it', async () => {
    const content = randomBytes(5 * PIECE + 17)
    const { one, done } = upload('dir/a b.txt', content)
    one.start()
    await done
    assert.equal(await stored('dir/a b.txt'), sum(content))
    const { size, contentType, cacheControl, metadata } = await info('dir/a b.txt')
    assert.deepEqual({ size, contentType, cacheControl, metadata },
      { size: content.length, contentType: 'text/plain', cacheControl: 'max-age=60', metadata: { from: 'tus' } })
    const [row] = await basalt.sql(`select owner_id from storage.objects where name = 'dir/a b.txt'`)
    assert.equal(row.owner_id, owner)
    assert.ok(one.url.startsWith(`${basalt.url}/storage/v1/upload/resumable/`), one.url)
  })

  test('an upload of one piece, of nothing, and with the creation', async () => {
    for (const [name, length, options] of [
      ['one', 1000, {}],
      ['nothing', 0, {}],
      ['with creation', 3 * PIECE, { uploadDataDuringCreation: true }],
      ['without chunks', 3 * PIECE, { chunkSize: Infinity }],
    ]) {
      const content = randomBytes(length)
      const { one, done } = upload(name, content, options)
      one.start()
      await done
      assert.equal(await stored(name), sum(content), name)
    }
  })

  test('a paused upload goes on, in another process of the client too', async () => {
    const content = randomBytes(6 * PIECE)
    const paused = new Promise((resolve, reject) => {
      const { one, done } = upload('paused', content, {
        onChunkComplete: (_, accepted) => { if (accepted >= 2 * PIECE) one.abort().then(() => resolve(one.url), reject) },
      })
      done.catch(reject)
      one.start()
    })
    const url = await paused
    const offsets = []
    const { one, done } = upload('paused', content, {
      uploadUrl: url, onChunkComplete: (size, accepted) => offsets.push(accepted - size),
    })
    one.start()
    await done
    assert.ok(offsets[0] >= 2 * PIECE, `went on at ${offsets[0]}`)
    assert.equal(await stored('paused'), sum(content))
  })

  for (const [how, end] of [['kill -9', (b) => b.killNow()], ['SIGTERM', (b) => b.stop()]]) {
    test(`a restart of the server (${how}) in the middle is no end`, async () => {
      const content = randomBytes(12 * PIECE)
      let restarted
      const { one, done } = upload(`restart ${how}`, content, {
        retryDelays: Array(200).fill(100),
        onChunkComplete: (_, accepted) => {
          if (accepted >= 3 * PIECE && !restarted) restarted = end(basalt).then(() => basalt.launch())
        },
      })
      one.start()
      await done
      await restarted
      assert.ok(restarted)
      assert.equal(await stored(`restart ${how}`), sum(content))
    })
  }

  test('a connection that breaks loses nothing that came', async () => {
    const content = randomBytes(4 * PIECE)
    const { one, done } = upload('broken', content.subarray(0, 1), { uploadSize: content.length, chunkSize: 1 })
    done.catch(() => {})
    const url = await new Promise((resolve) => {
      one.options.onUploadUrlAvailable = () => resolve(one.url)
      one.start()
    })
    await one.abort()
    const headers = { authorization: `Bearer ${user}`, 'tus-resumable': '1.0.0' }
    const head = () => fetch(url, { method: 'HEAD', headers }).then((answer) => Number(answer.headers.get('upload-offset')))
    const offset = await head()
    // A body that never ends: its connection is cut when some of it is there.
    const cut = new AbortController()
    const stream = new ReadableStream({
      start(controller) { controller.enqueue(content.subarray(offset, 3 * PIECE)) },
    })
    const broken = fetch(url, {
      method: 'PATCH', duplex: 'half', body: stream, signal: cut.signal,
      headers: { ...headers, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    }).catch(() => null)
    await sleep(300)
    // Whoever asks makes the writer let go, and learns what came before.
    assert.equal(await head(), 3 * PIECE)
    cut.abort()
    await broken
    const rest = upload('broken', content, { uploadUrl: url })
    rest.one.start()
    await rest.done
    assert.equal(await stored('broken'), sum(content))
  })

  test('many at once', async () => {
    const contents = Array.from({ length: 12 }, (_, n) => randomBytes(2 * PIECE + n))
    await Promise.all(contents.map((content, n) => {
      const { one, done } = upload(`many/${n}`, content)
      one.start()
      return done
    }))
    for (const [n, content] of contents.entries()) assert.equal(await stored(`many/${n}`), sum(content))
  })

  test('two clients of one upload: every byte is written once', async () => {
    const content = randomBytes(8 * PIECE)
    const first = upload('shared', content, { onUploadUrlAvailable: () => second(first.one.url) })
    let other
    const second = (url) => {
      const { one, done } = upload('shared', content, { uploadUrl: url })
      other = done.catch((error) => error)
      one.start()
    }
    first.one.start()
    const ends = [await first.done.catch((error) => error), await other]
    assert.ok(ends.some((end) => !(end instanceof Error)), `${ends[0]}`)
    assert.equal(await stored('shared'), sum(content))
  })

  test('an object is replaced only by who says so and may', async () => {
    const status = (error) => error.originalResponse?.getStatus()
    const start = (name, options) => {
      const { one, done } = upload(name, randomBytes(10), { retryDelays: [], ...options })
      one.start()
      return done
    }
    await start('twice')
    await assert.rejects(start('twice'), (error) => status(error) === 409)
    const upsert = { headers: { 'x-upsert': 'true' } }
    await assert.rejects(start('twice', upsert), (error) => status(error) === 403)
    await basalt.sql(`create policy see on storage.objects for select to authenticated using (owner_id = (select auth.uid())::text);
      create policy change on storage.objects for update to authenticated using (owner_id = (select auth.uid())::text)`)
    const before = await info('twice')
    await start('twice', upsert)
    assert.notEqual((await info('twice')).version, before.version)
    await assert.rejects(start('big', { uploadSize: 20_000_001 }), (error) => status(error) === 413)
  })

  test('whoever holds a signed URL uploads without a token', async () => {
    const client = createClient(basalt.url, basalt.keys.ANON_KEY, { accessToken: async () => user })
    const { data, error } = await client.storage.from(BUCKET).createSignedUploadUrl('signed.txt')
    assert.equal(error, null)
    const content = randomBytes(3 * PIECE)
    const { one, done } = upload('signed.txt', content, {
      endpoint: `${basalt.url}/storage/v1/upload/resumable/sign`,
      headers: { authorization: '', 'x-signature': data.token },
    })
    one.start()
    await done
    assert.equal(await stored('signed.txt'), sum(content))
    const [row] = await basalt.sql(`select owner_id from storage.objects where name = 'signed.txt'`)
    assert.equal(row.owner_id, owner)
  })

  test('a terminated upload is gone', async () => {
    let begun
    const url = new Promise((resolve) => { begun = resolve })
    const { one, done } = upload('gone', randomBytes(3 * PIECE), {
      onChunkComplete: () => one.abort(true).then(() => begun(one.url)),
    })
    done.catch(() => {})
    const at = await new Promise((resolve) => {
      one.options.onUploadUrlAvailable = () => resolve(one.url)
      one.start()
    })
    await url
    const answer = await fetch(at, { method: 'HEAD', headers: { authorization: `Bearer ${user}`, 'tus-resumable': '1.0.0' } })
    assert.equal(answer.status, 404)
  })
})
