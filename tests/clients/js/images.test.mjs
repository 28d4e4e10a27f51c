// Pictures as a page of an application asks for them, with the real storage-js; kept across a restart.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient } from './client.mjs'
import { Basalt } from './harness.mjs'
import { png, sizeOfPng } from './png.mjs'

describe('pictures', () => {
  let basalt, service, anon

  before(async () => {
    basalt = await Basalt.start()
    service = createClient(basalt.url, basalt.keys.SERVICE_ROLE_KEY)
    anon = createClient(basalt.url, basalt.keys.ANON_KEY)
    for (const [name, isPublic] of [['open', true], ['closed', false]]) {
      await service.storage.createBucket(name, { public: isPublic })
      const { error } = await service.storage.from(name).upload('dir/a.png', png(300, 200), { contentType: 'image/png' })
      assert.equal(error, null)
    }
  })
  after(() => basalt?.destroy())

  const fetched = async (url, accept = '*/*') => {
    const response = await fetch(url, { headers: { accept } })
    return { response, bytes: Buffer.from(await response.arrayBuffer()) }
  }

  test('a public URL with a transformation', async () => {
    const transform = { width: 60, height: 60, resize: 'contain' }
    const { data } = anon.storage.from('open').getPublicUrl('dir/a.png', { transform })
    const { response, bytes } = await fetched(data.publicUrl)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-transformations'), 'height:60,width:60,resizing_type:fit')
    assert.deepEqual(sizeOfPng(bytes), [60, 40])
    const browser = await fetched(data.publicUrl, 'image/avif,image/webp,*/*')
    assert.equal(browser.response.headers.get('content-type'), 'image/webp')
    assert.equal(browser.bytes.subarray(8, 12).toString(), 'WEBP')
  })

  test('a download and a signed URL with a transformation', async () => {
    const transform = { width: 30, format: 'origin' }
    const { data: blob } = await service.storage.from('closed').download('dir/a.png', { transform })
    assert.deepEqual(sizeOfPng(Buffer.from(await blob.arrayBuffer())), [30, 20])
    const denied = await anon.storage.from('closed').download('dir/a.png', { transform })
    assert.ok(denied.error)
    const { data } = await service.storage.from('closed').createSignedUrl('dir/a.png', 60, { transform: { width: 15, height: 5 } })
    const { response, bytes } = await fetched(data.signedUrl)
    assert.equal(response.status, 200)
    assert.deepEqual(sizeOfPng(bytes), [15, 5])
  })

  test('what is no picture', async () => {
    await service.storage.from('open').upload('text.png', Buffer.from('text'), { contentType: 'image/png' })
    const { data } = anon.storage.from('open').getPublicUrl('text.png', { transform: { width: 10 } })
    const { response, bytes } = await fetched(data.publicUrl)
    assert.equal(response.status, 400)
    assert.equal(JSON.parse(bytes).message, 'The source image is invalid or unsupported for rendering')
  })

  test('what was made survives a restart, and an overwrite replaces it', async () => {
    const { data } = anon.storage.from('open').getPublicUrl('dir/a.png', { transform: { width: 90 } })
    const before = await fetched(data.publicUrl)
    await basalt.stop()
    await basalt.launch()
    assert.deepEqual((await fetched(data.publicUrl)).bytes, before.bytes)
    const uploaded = await service.storage.from('open').update('dir/a.png', png(200, 200), { contentType: 'image/png' })
    assert.equal(uploaded.error, null)
    assert.deepEqual(sizeOfPng((await fetched(data.publicUrl)).bytes), [90, 90])
  })
})
