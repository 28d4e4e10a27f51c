// Files that an S3 server of others keeps: what applications do with them works as on a disk.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import * as tus from 'tus-js-client'
import { createClient } from './client.mjs'
import { Basalt } from './harness.mjs'
import { Moto, needsMoto } from './moto.mjs'
import { png, sizeOfPng } from './png.mjs'

const MIB = 1024 * 1024
const BUCKET = 'b'
const sum = (bytes) => createHash('sha256').update(Buffer.from(bytes)).digest('hex')

describe('files at an S3 server of others', needsMoto, () => {
  let moto, basalt, files

  before(async () => {
    moto = await Moto.start('files')
    basalt = await Basalt.start({
      env: {
        BASALT_STORAGE__BACKEND: 's3',
        BASALT_STORAGE__BUCKET: 'files',
        BASALT_STORAGE__REMOTE__ENDPOINT: moto.url,
        BASALT_STORAGE__REMOTE__ACCESS_KEY_ID: 'somebody',
        BASALT_STORAGE__REMOTE__SECRET_ACCESS_KEY: 'a secret',
        BASALT_STORAGE__REMOTE__FORCE_PATH_STYLE: 'true',
        BASALT_STORAGE__REMOTE__PART_SIZE: '5MiB',
      },
    })
    const service = createClient(basalt.url, basalt.keys.SERVICE_ROLE_KEY)
    assert.equal((await service.storage.createBucket(BUCKET)).error, null)
    files = service.storage.from(BUCKET)
  })
  after(async () => {
    await basalt?.destroy()
    await moto?.end()
  })

  const done = async (asked) => {
    const { data, error } = await asked
    assert.equal(error, null, error?.message)
    return data
  }
  const content = async (name) => Buffer.from(await (await done(files.download(name))).arrayBuffer())

  // Its key there, as Supabase Storage spells it.
  const keyOf = async (name) => {
    const [{ version }] = await basalt.sql('select version from storage.objects where name = $1', [name])
    return `stub/${BUCKET}/${name}/${version}`
  }

  test('uploaded, listed, moved, copied, signed, replaced and deleted', async () => {
    const hello = Buffer.from('hello')
    await done(files.upload('dir/a b+c.txt', hello, { contentType: 'text/csv', cacheControl: '60' }))
    assert.equal((await moto.objects())[await keyOf('dir/a b+c.txt')], 5)
    assert.equal((await content('dir/a b+c.txt')).toString(), 'hello')
    assert.deepEqual((await done(files.list('dir'))).map(({ name }) => name), ['a b+c.txt'])
    await done(files.copy('dir/a b+c.txt', 'copy'))
    await done(files.move('dir/a b+c.txt', 'moved'))
    const { contentType, cacheControl, size } = await done(files.info('moved'))
    assert.deepEqual([contentType, cacheControl, size], ['text/csv', 'max-age=60', 5])
    const { signedUrl } = await done(files.createSignedUrl('copy', 60))
    const part = await fetch(signedUrl, { headers: { range: 'bytes=1-3' } })
    assert.deepEqual([part.status, await part.text(), part.headers.get('content-range')], [206, 'ell', 'bytes 1-3/5'])
    await done(files.update('moved', Buffer.from('other')))
    assert.equal((await content('moved')).toString(), 'other')
    assert.equal((await done(files.remove(['moved', 'copy']))).length, 2)
    assert.equal((await files.download('moved')).error.name, 'StorageApiError')
  })

  test('what is large goes there in parts, and comes back in parts', async () => {
    const large = randomBytes(12 * MIB + 17)
    await done(files.upload('large', large))
    assert.equal((await moto.objects())[await keyOf('large')], large.length)
    assert.equal(sum(await content('large')), sum(large))
    const { signedUrl } = await done(files.createSignedUrl('large', 60))
    const part = await fetch(signedUrl, { headers: { range: `bytes=${6 * MIB}-${7 * MIB - 1}` } })
    assert.equal(sum(await part.arrayBuffer()), sum(large.subarray(6 * MIB, 7 * MIB)))
  })

  test('a resumable upload is paused, resumed and kept there', async () => {
    const bytes = randomBytes(11 * MIB)
    await new Promise((resolve, reject) => {
      let hasPaused = false
      const upload = new tus.Upload(bytes, {
        endpoint: `${basalt.url}/storage/v1/upload/resumable`,
        headers: { authorization: `Bearer ${basalt.keys.SERVICE_ROLE_KEY}` },
        chunkSize: 3 * MIB,
        metadata: { bucketName: BUCKET, objectName: 'resumable', contentType: 'text/plain' },
        onError: reject,
        onSuccess: resolve,
        onChunkComplete: () => {
          if (hasPaused) return
          hasPaused = true
          upload.abort().then(() => upload.start(), reject)
        },
      })
      upload.start()
    })
    assert.equal((await moto.objects())[await keyOf('resumable')], bytes.length)
    assert.equal(sum(await content('resumable')), sum(bytes))
  })

  test('a picture comes in another size', async () => {
    await done(files.upload('a.png', png(300, 200), { contentType: 'image/png' }))
    const small = await done(files.download('a.png', { transform: { width: 60, resize: 'contain' } }))
    assert.deepEqual(sizeOfPng(Buffer.from(await small.arrayBuffer())), [60, 40])
  })

  test('when it is gone that is told, and rows are as they were', async () => {
    await done(files.upload('kept', Buffer.from('kept')))
    const { signedUrl } = await done(files.createSignedUrl('kept', 60))
    await moto.end()
    const { error } = await files.upload('new', Buffer.from('new'))
    assert.equal(error.status, 503)
    assert.equal((await fetch(signedUrl)).status, 503)
    const names = await basalt.sql(`select name from storage.objects where name in ('kept', 'new')`)
    assert.deepEqual(names, [{ name: 'kept' }])
  })
})
