// kill -9 of basalt, at random moments, under clients that upload in every way there is: what was acknowledged is
// there and whole, every row has its bytes, and no file is left that has no row. UPLOAD_KILLS=500 for a long run (two
// seconds each), UPLOAD_WAYS=s3 for one way alone, UPLOAD_BACKEND=s3 to keep the files in a second basalt.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, ListMultipartUploadsCommand,
  ListPartsCommand, PutObjectCommand, S3Client, UploadPartCommand, paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import { Basalt, temporaryDirectory } from './harness.mjs'

const KILLS = Number(process.env.UPLOAD_KILLS ?? 10)
const WAYS = (process.env.UPLOAD_WAYS ?? 'http,s3').split(',')
const IS_REMOTE = process.env.UPLOAD_BACKEND === 's3'
const BUCKET = 'b'
const TENANT = 'stub'
// What a second server keeps goes there in parts if it is large.
const SIZES = [0, 17, 10_000, 100_000, 900_000, ...(IS_REMOTE ? [6_000_000] : [])]
const WITHIN_MS = 30_000
// Clients that ask a server in vain as fast as they can keep it from starting.
const PAUSE_MS = 50

const sum = (bytes) => createHash('md5').update(bytes).digest('hex')
const encode = (text) => Buffer.from(text).toString('base64')
const sumOfParts = (parts) => `${sum(Buffer.concat(parts.map((part) => Buffer.from(sum(part), 'hex'))))}-${parts.length}`

// A client of the keys that everybody knows who runs a server.
const clientOf = ({ keys }) => new S3Client({
  endpoint: keys.STORAGE_S3_URL,
  region: keys.S3_PROTOCOL_REGION,
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: keys.S3_PROTOCOL_ACCESS_KEY_ID, secretAccessKey: keys.S3_PROTOCOL_ACCESS_KEY_SECRET },
})

// The tag that a content should have: of an object of parts, by the sizes that its row tells.
function tagOf(bytes, sizes) {
  if (!sizes) return sum(bytes)
  const parts = []
  let at = 0
  for (const [size, count] of sizes) {
    for (let n = 0; n < count; n += 1) parts.push(bytes.subarray(at, at += size))
  }
  return at === bytes.length ? sumOfParts(parts) : `${bytes.length} bytes instead of ${at}`
}

// Clients that go on until they are told to stop. `acknowledged` has by name what must be there; `uncertain`, what
// may be there instead, because its answer never came.
class Writers {
  acknowledged = new Map()
  uncertain = new Map()
  counts = { acknowledged: 0, interrupted: 0 }
  #stopping = false
  #serial = 0

  constructor(basalt) {
    this.basalt = basalt
    this.headers = { authorization: `Bearer ${basalt.keys.SERVICE_ROLE_KEY}` }
    this.s3 = clientOf(basalt)
    this.start()
  }

  start() {
    this.#stopping = false
    const all = {
      http: [this.#plain, this.#form, this.#overwrite, this.#resumable, this.#resumable, this.#moved],
      s3: [this.#put, this.#put, this.#streamed, this.#streamed, this.#parts, this.#parts, this.#copied],
    }
    const ways = WAYS.flatMap((way) => all[way])
    this.loops = ways.map((way, n) => this.#repeat(way.bind(this), n))
  }

  async #repeat(way, writer) {
    while (!this.#stopping) {
      // One name is written again and again, all others once.
      const name = `${writer}/${this.#serial += 1}`
      const pause = await way(name, writer).then(() => randomInt(5), () => {
        this.counts.interrupted += 1
        return PAUSE_MS
      })
      await sleep(pause)
    }
  }

  #url(name, kind = 'object') {
    return `${this.basalt.url}/storage/v1/${kind}/${BUCKET}/${name}`
  }

  async #send(url, options) {
    const answer = await fetch(url, { ...options, headers: { ...this.headers, ...options.headers }, signal: AbortSignal.timeout(WITHIN_MS) })
    const text = await answer.text()
    if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${text}`), { status: answer.status })
    return answer
  }

  // One that replaces leaves the old bytes or the new ones until its answer is here.
  async #upload(name, content, send, digest = sum(content)) {
    this.uncertain.set(name, [...(this.uncertain.get(name) ?? []), digest])
    await send(content)
    this.acknowledged.set(name, digest)
    this.uncertain.delete(name)
    this.counts.acknowledged += 1
  }

  #content() {
    return randomBytes(SIZES[randomInt(SIZES.length)])
  }

  async #plain(name) {
    await this.#upload(name, this.#content(), (body) =>
      this.#send(this.#url(name), { method: 'POST', body, headers: { 'content-type': 'text/plain' } }))
  }

  async #form(name) {
    await this.#upload(name, this.#content(), (content) => {
      const body = new FormData()
      body.append('cacheControl', '60')
      body.append('', new Blob([content]), 'file')
      return this.#send(this.#url(name), { method: 'POST', body })
    })
  }

  async #overwrite(_, writer) {
    const name = `${writer}/again`
    await this.#upload(name, this.#content(), (body) => this.#send(this.#url(name), { method: 'PUT', body }))
  }

  async #moved(name) {
    const content = this.#content()
    await this.#send(this.#url(name), { method: 'POST', body: content })
    const way = { bucketId: BUCKET, sourceKey: name, destinationKey: `${name}.moved` }
    await this.#upload(`${name}.moved`, content, () => this.#send(`${this.basalt.url}/storage/v1/object/move`, {
      method: 'POST', body: JSON.stringify(way), headers: { 'content-type': 'application/json' },
    }))
  }

  // Goes on after each kill, from the offset that the server tells.
  async #resumable(name) {
    const content = randomBytes(randomInt(1_000_000))
    await this.#upload(name, content, async () => {
      const headers = { 'tus-resumable': '1.0.0' }
      const created = await this.#send(`${this.basalt.url}/storage/v1/upload/resumable`, {
        method: 'POST',
        headers: {
          ...headers, 'upload-length': String(content.length),
          'upload-metadata': `bucketName ${encode(BUCKET)},objectName ${encode(name)}`,
        },
      })
      const url = created.headers.get('location')
      let told = 0
      let offset = 0
      while (offset < content.length) {
        try {
          const answer = await this.#send(url, {
            method: 'PATCH', body: content.subarray(offset, offset + 150_000),
            headers: { ...headers, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
          })
          told = offset = Number(answer.headers.get('upload-offset'))
        } catch (error) {
          if (error.status && error.status !== 409 && error.status < 500) throw error
          offset = await this.#look(url, headers)
          assert.ok(offset >= told, `${name}: ${offset} of ${told} acknowledged bytes are there`)
        }
      }
    })
  }

  #command(Command, Key, more) {
    return this.s3.send(new Command({ Bucket: BUCKET, Key, ...more }), { abortSignal: AbortSignal.timeout(WITHIN_MS) })
  }

  // Of S3: over the same names again and again, as clients that sync do.
  async #put(_, writer) {
    const Key = `${writer}/s3-${randomInt(5)}`
    await this.#upload(Key, this.#content(), (Body) => this.#command(PutObjectCommand, Key, { Body }))
  }

  // In chunks, with the checksum behind them.
  async #streamed(Key) {
    const content = randomBytes(1 + randomInt(900_000))
    await this.#upload(Key, content, () => {
      const Body = Readable.from([content.subarray(0, 70_000), content.subarray(70_000)])
      return this.#command(PutObjectCommand, Key, { Body, ContentLength: content.length, ChecksumAlgorithm: 'CRC32' })
    })
  }

  // As SDKs do it: what had no answer is sent again.
  async #parts(Key) {
    const parts = Array.from({ length: 1 + randomInt(3) }, () => randomBytes(1 + randomInt(500_000)))
    await this.#upload(Key, Buffer.concat(parts), async () => {
      const { UploadId } = await this.#command(CreateMultipartUploadCommand, Key, { ChecksumAlgorithm: 'CRC32' })
      const Parts = []
      for (const [n, Body] of parts.entries()) {
        const { ETag, ChecksumCRC32 } = await this.#again(() =>
          this.#command(UploadPartCommand, Key, { UploadId, PartNumber: n + 1, Body, ChecksumAlgorithm: 'CRC32' }))
        Parts.push({ ETag, ChecksumCRC32, PartNumber: n + 1 })
      }
      await this.#again(() => this.#command(CompleteMultipartUploadCommand, Key, { UploadId, MultipartUpload: { Parts } }))
    }, sumOfParts(parts))
  }

  async #again(send) {
    for (;;) {
      try {
        return await send()
      } catch (error) {
        if (this.#stopping || (error.$metadata?.httpStatusCode ?? 500) < 500) throw error
        await sleep(PAUSE_MS)
      }
    }
  }

  async #copied(Key) {
    const content = this.#content()
    await this.#send(this.#url(Key), { method: 'POST', body: content })
    await this.#upload(`${Key}.copy`, content, () =>
      this.#command(CopyObjectCommand, `${Key}.copy`, { CopySource: `${BUCKET}/${Key}` }))
  }

  async #look(url, headers) {
    for (;;) {
      try {
        return Number((await this.#send(url, { method: 'HEAD', headers })).headers.get('upload-offset'))
      } catch (error) {
        if (error.status && error.status < 500) throw error
        if (this.#stopping && !error.status) throw error
        await sleep(PAUSE_MS)
      }
    }
  }

  async reach(count) {
    const from = this.counts.acknowledged
    const deadline = Date.now() + WITHIN_MS
    while (this.counts.acknowledged < from + count) {
      assert.ok(Date.now() < deadline, `the writers make no progress\n${this.basalt.log}`)
      await sleep(2)
    }
  }

  async finish() {
    this.#stopping = true
    await Promise.all(this.loops)
  }
}

// The sweep may take a directory away while it is looked at: then all is looked at anew.
function files(directory) {
  for (let tries = 1; ; tries += 1) {
    try {
      return readdirSync(directory, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    } catch (error) {
      if (error.code !== 'ENOENT' || tries === 100) throw error
    }
  }
}

describe('uploads and kill -9', () => {
  let basalt, writers, remote

  // The server that keeps the files, and how it is reached.
  const beside = async () => {
    remote = await Basalt.start()
    await remote.sql(`insert into storage.buckets (id, name) values ('${TENANT}', '${TENANT}')`)
    return {
      BASALT_STORAGE__BACKEND: 's3',
      BASALT_STORAGE__REMOTE__ENDPOINT: remote.keys.STORAGE_S3_URL,
      BASALT_STORAGE__REMOTE__REGION: remote.keys.S3_PROTOCOL_REGION,
      BASALT_STORAGE__REMOTE__ACCESS_KEY_ID: remote.keys.S3_PROTOCOL_ACCESS_KEY_ID,
      BASALT_STORAGE__REMOTE__SECRET_ACCESS_KEY: remote.keys.S3_PROTOCOL_ACCESS_KEY_SECRET,
      BASALT_STORAGE__REMOTE__FORCE_PATH_STYLE: 'true',
      BASALT_STORAGE__REMOTE__PART_SIZE: '5MiB',
    }
  }

  before(async () => {
    const env = IS_REMOTE ? await beside() : {}
    basalt = await Basalt.start({ env: { ...env, BASALT_STORAGE__REMOVAL_DELAY: '1s' } })
    await basalt.sql(`insert into storage.buckets (id, name) values ('${BUCKET}', '${BUCKET}')`)
    writers = new Writers(basalt)
  })
  after(async () => {
    await writers?.finish()
    await basalt?.destroy()
    await remote?.destroy()
  })

  // What is kept, and parts of uploads that a second server still waits for. One that had only just begun when the kill
  // came cannot be known here, and has no part.
  const kept = async () => {
    const storage = path.join(basalt.dataDir, 'storage')
    const here = files(storage).map((file) => path.relative(path.join(storage, TENANT), file))
    if (!remote) return here
    const client = clientOf(remote)
    for await (const { Contents } of paginateListObjectsV2({ client }, { Bucket: TENANT })) {
      here.push(...(Contents ?? []).map(({ Key }) => Key))
    }
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: TENANT }))
    for (const { Key, UploadId } of Uploads ?? []) {
      const listed = client.send(new ListPartsCommand({ Bucket: TENANT, Key, UploadId }))
      const { Parts } = await listed.catch((error) => {
        if (error.name === 'NoSuchUpload') return {} // it has ended meanwhile
        throw error
      })
      here.push(...(Parts ?? []).map(({ PartNumber }) => `${Key} (${UploadId}, part ${PartNumber})`))
    }
    return here
  }

  // Every row has its bytes, with the digest it tells; what was acknowledged has the bytes that were sent.
  const everythingIsThere = async () => {
    const rows = await basalt.sql(`select name, version, metadata from storage.objects`)
    const byName = new Map(rows.map((row) => [row.name, row]))
    for (const [name, digest] of writers.acknowledged) {
      const etag = JSON.parse(byName.get(name)?.metadata.eTag ?? 'null')
      const possible = [digest, ...(writers.uncertain.get(name) ?? [])]
      assert.ok(possible.includes(etag), `${name}: ${etag} is none of ${possible}`)
    }
    const left = [...rows]
    const reader = async () => {
      for (let row = left.pop(); row; row = left.pop()) {
        const { name, metadata } = row
        const answer = await fetch(`${basalt.url}/storage/v1/object/${BUCKET}/${name}`, { headers: writers.headers })
        const bytes = Buffer.from(await answer.arrayBuffer())
        assert.equal(answer.status, 200, `${name}: ${bytes}`)
        assert.equal(`"${tagOf(bytes, metadata.parts)}"`, metadata.eTag, `${name} is torn`)
      }
    }
    await Promise.all(Array.from({ length: 8 }, reader))
    return rows
  }

  test(`${KILLS} kills lose nothing that was acknowledged`, async (t) => {
    for (let kill = 1; kill <= KILLS; kill += 1) {
      try {
        await writers.reach(1 + randomInt(4))
        await sleep(randomInt(60))
        await basalt.killNow()
        await basalt.launch()
      } catch (error) {
        await writers.finish()
        throw error
      }
      if (kill % 100 === 0 || kill === KILLS) {
        await writers.finish()
        await everythingIsThere()
        t.diagnostic(`${kill} kills: ${JSON.stringify(writers.counts)}`)
        if (kill < KILLS) writers.start()
      }
    }
  })

  test('nothing is left without a row', async (t) => {
    const storage = path.join(basalt.dataDir, 'storage')
    for (const table of ['s3_multipart_uploads', 's3_multipart_uploads_parts']) {
      await basalt.sql(`update storage.${table} set created_at = created_at - interval '25 hours'`)
    }
    await basalt.sql(`update storage.basalt_removals set due_at = now() - interval '1 hour'`)
    await basalt.stop()
    // As if it were later: what was announced and what was given up is old by then.
    const old = new Date(Date.now() - 25 * 3600 * 1000)
    for (const kind of ['.incoming', '.resumable', '.parts'].filter((name) => existsSync(path.join(storage, name)))) {
      for (const file of files(path.join(storage, kind))) {
        utimesSync(file, old, old)
        utimesSync(path.dirname(file), old, old)
      }
    }
    await basalt.launch()
    const deadline = Date.now() + 90_000
    for (;;) {
      const rows = await basalt.sql(`select name, version from storage.objects`)
      const expected = new Set(rows.map((row) => path.join(TENANT, BUCKET, row.name, row.version)))
      const all = await kept()
      const left = all.filter((name) => !expected.has(name))
      const [{ uploads }] = await basalt.sql(`select count(*)::int as uploads from storage.s3_multipart_uploads`)
      if (left.length === 0 && uploads === 0) {
        t.diagnostic(`${rows.length} objects, ${all.length} files`)
        break
      }
      assert.ok(Date.now() < deadline, `${left.length} files without a row: ${left.slice(0, 5)}; ${uploads} uploads go on`)
      await sleep(500)
    }
    await everythingIsThere()
  })
})

describe('uploads and a full disk', () => {
  const MIB = 1024 * 1024
  let basalt, directory, mounted

  before(async () => {
    directory = path.join(temporaryDirectory('basalt-full-'), 'storage')
    mkdirSync(directory)
    mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]).status === 0
    if (!mounted) return
    basalt = await Basalt.start({ env: { BASALT_STORAGE__PATH: directory, BASALT_STORAGE__REMOVAL_DELAY: '0s' } })
    await basalt.sql(`insert into storage.buckets (id, name) values ('${BUCKET}', '${BUCKET}')`)
  })
  after(async () => {
    await basalt?.destroy()
    if (mounted) spawnSync('umount', [directory])
    rmSync(path.dirname(directory), { recursive: true, force: true })
  })

  test('is told, loses nothing, and is no end', async (t) => {
    if (!mounted) return t.skip('only root can mount a small disk')
    const headers = { authorization: `Bearer ${basalt.keys.SERVICE_ROLE_KEY}` }
    const send = (method, url, body, more = {}) => fetch(url.startsWith('http') ? url : `${basalt.url}/storage/v1${url}`, {
      method, body, headers: { ...headers, ...more },
    })
    const contents = new Map()
    const upload = async (name, method = 'POST') => {
      const content = randomBytes(MIB)
      const answer = await send(method, `/object/${BUCKET}/${name}`, content)
      if (answer.ok) contents.set(name, content)
      return { status: answer.status, body: await answer.json() }
    }
    let refused
    for (let n = 0; !refused; n += 1) {
      assert.ok(n < 9, 'the disk is never full')
      const answer = await upload(`${n}`)
      if (answer.status !== 200) refused = answer
    }
    assert.deepEqual(refused, {
      status: 507,
      body: {
        statusCode: '507', error: 'InsufficientStorage', code: 'InternalError',
        message: 'There is no space left to store the object',
      },
    })
    assert.equal((await upload('0', 'PUT')).status, 507)
    // What came of a resumable upload stays, and it goes on when there is room.
    const content = randomBytes(MIB + 123)
    const tus = { 'tus-resumable': '1.0.0' }
    const created = await send('POST', '/upload/resumable', undefined, {
      ...tus, 'upload-length': String(content.length),
      'upload-metadata': `bucketName ${encode(BUCKET)},objectName ${encode('resumable')}`,
    })
    assert.equal(created.status, 201)
    const url = created.headers.get('location')
    const patch = (offset) => send('PATCH', url, content.subarray(offset), {
      ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream',
    })
    const full = await patch(0)
    assert.deepEqual([full.status, await full.text()], [507, 'There is no space left to store the object'])
    const look = async () => Number((await send('HEAD', url, undefined, tus)).headers.get('upload-offset'))
    const offset = await look()
    assert.ok(offset < content.length)
    const everythingIsThere = async () => {
      for (const [name, bytes] of contents) {
        const answer = await send('GET', `/object/${BUCKET}/${name}`)
        assert.equal(sum(Buffer.from(await answer.arrayBuffer())), sum(bytes), name)
      }
    }
    await everythingIsThere()
    for (const name of ['1', '2']) {
      assert.equal((await send('DELETE', `/object/${BUCKET}/${name}`)).status, 200)
      contents.delete(name)
    }
    // Files go in turns of half a minute.
    const deadline = Date.now() + 45_000
    let done
    do {
      assert.ok(Date.now() < deadline, 'there is no room again')
      await sleep(500)
      done = await patch(await look())
    } while (done.status === 507)
    assert.deepEqual([done.status, done.headers.get('tus-complete')], [204, '1'])
    contents.set('resumable', content)
    await everythingIsThere()
  })
})
