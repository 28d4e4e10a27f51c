// The AWS SDK against the S3 protocol of the real binary: the service's keys, and a user by session token.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand,
  DeleteBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectAttributesCommand, GetObjectCommand, GetObjectTaggingCommand, HeadBucketCommand,
  HeadObjectCommand, ListBucketsCommand, ListMultipartUploadsCommand, ListObjectsCommand, ListObjectsV2Command, ListPartsCommand,
  PutObjectCommand, PutObjectRetentionCommand, PutObjectTaggingCommand, S3Client, UploadPartCommand, UploadPartCopyCommand, paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Basalt } from './harness.mjs'
import { Application, KEY_SETS } from './client.mjs'

const MIB = 1024 * 1024
let basalt
let s3
const Bucket = 'b'

const client = (credentials, options = {}) => new S3Client({
  endpoint: basalt.keys.STORAGE_S3_URL,
  region: basalt.keys.S3_PROTOCOL_REGION,
  forcePathStyle: true,
  maxAttempts: 1,
  credentials,
  ...options,
})

before(async () => {
  basalt = await Basalt.start()
  s3 = client({
    accessKeyId: basalt.keys.S3_PROTOCOL_ACCESS_KEY_ID,
    secretAccessKey: basalt.keys.S3_PROTOCOL_ACCESS_KEY_SECRET,
  })
  await s3.send(new CreateBucketCommand({ Bucket }))
})

after(() => basalt?.destroy())

const put = (Key, Body, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const text = async (Key, more = {}) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Body.transformToString()
}
const fails = (promise, name, status) => assert.rejects(promise, (error) => {
  assert.deepEqual([error.name, error.$metadata.httpStatusCode], [name, status])
  return true
})

test('buckets are made, listed, found and deleted', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'other' }))
  const { Buckets, Owner } = await s3.send(new ListBucketsCommand({}))
  assert.deepEqual(Buckets.map(({ Name }) => Name), [Bucket, 'other'])
  assert.ok(Buckets[0].CreationDate instanceof Date && Owner.ID)
  await s3.send(new HeadBucketCommand({ Bucket: 'other' }))
  await fails(s3.send(new CreateBucketCommand({ Bucket: 'other' })), 'BucketAlreadyOwnedByYou', 409)
  await s3.send(new DeleteBucketCommand({ Bucket: 'other' }))
  await fails(s3.send(new HeadBucketCommand({ Bucket: 'other' })), 'NotFound', 404)
  await fails(s3.send(new ListObjectsV2Command({ Bucket: 'other' })), 'NoSuchBucket', 404)
})

test('an object comes back as it was put', async () => {
  const answer = await put('dir/a b+c&d.txt', 'hello', {
    ContentType: 'text/csv', CacheControl: 'max-age=5', ContentDisposition: 'inline', Metadata: { colour: 'blue' }, Tagging: 'a=1',
  })
  assert.equal(answer.ETag, '"5d41402abc4b2a76b9719d911017c592"')
  assert.equal(answer.ChecksumCRC32, 'NhCmhg==')
  const Key = 'dir/a b+c&d.txt'
  for (const Command of [GetObjectCommand, HeadObjectCommand]) {
    const told = await s3.send(new Command({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    assert.deepEqual(
      [told.ContentLength, told.ContentType, told.CacheControl, told.ContentDisposition, told.Metadata, told.ETag, told.ChecksumCRC32],
      [5, 'text/csv', 'max-age=5', 'inline', { colour: 'blue' }, answer.ETag, 'NhCmhg=='],
    )
    assert.ok(told.LastModified instanceof Date)
  }
  assert.equal(await text(Key), 'hello')
  assert.equal(await text(Key, { Range: 'bytes=1-3' }), 'ell')
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
  assert.deepEqual(TagSet, [{ Key: 'a', Value: '1' }])
  await fails(text('none'), 'NoSuchKey', 404)
  await fails(text(Key, { IfMatch: '"x"' }), 'PreconditionFailed', 412)
  await fails(put(Key, 'x', { IfNoneMatch: '*' }), 'PreconditionFailed', 412)
})

test('every checksum is verified, and streams are sent in chunks', async () => {
  const body = randomBytes(3 * MIB)
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
    await put(`sum/${ChecksumAlgorithm}`, body, { ChecksumAlgorithm })
    const stream = Readable.from([body.subarray(0, 100_000), body.subarray(100_000)])
    await put(`stream/${ChecksumAlgorithm}`, stream, { ChecksumAlgorithm, ContentLength: body.length })
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: `stream/${ChecksumAlgorithm}`, ChecksumMode: 'ENABLED' }))
    assert.ok(body.equals(Buffer.from(await Body.transformToByteArray())), ChecksumAlgorithm)
  }
  await fails(put('sum/wrong', 'x', { ChecksumSHA256: createHash('sha256').update('y').digest('base64') }), 'BadDigest', 400)
  await fails(text('sum/wrong'), 'NoSuchKey', 404)
})

test('an upload in parts becomes one object', async () => {
  const Key = 'parts/manual'
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(100)]
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/csv', Metadata: { a: '1' } }))
  const Parts = []
  for (const [n, Body] of parts.entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: n + 1, Body }))
    Parts.push({ PartNumber: n + 1, ETag })
  }
  const listed = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))
  assert.deepEqual(listed.Parts.map(({ Size }) => Size), parts.map(({ length }) => length))
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  assert.deepEqual(Uploads.map((upload) => upload.UploadId), [UploadId])
  const command = { Bucket, Key, UploadId, MultipartUpload: { Parts } }
  const done = await s3.send(new CompleteMultipartUploadCommand(command))
  const md5 = (bytes) => createHash('md5').update(bytes).digest()
  assert.equal(done.ETag, `"${md5(Buffer.concat(parts.map(md5))).toString('hex')}-3"`)
  assert.equal((await s3.send(new CompleteMultipartUploadCommand(command))).ETag, done.ETag)
  const told = await s3.send(new GetObjectCommand({ Bucket, Key }))
  assert.deepEqual([told.ContentType, told.Metadata], ['text/csv', { a: '1' }])
  assert.ok(Buffer.concat(parts).equals(Buffer.from(await told.Body.transformToByteArray())))

  const copy = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts/copied' }))
  const one = { Bucket, Key: 'parts/copied', UploadId: copy.UploadId, PartNumber: 1 }
  const { CopyPartResult } = await s3.send(new UploadPartCopyCommand({ ...one, CopySource: `${Bucket}/${Key}`, CopySourceRange: 'bytes=0-9' }))
  await s3.send(new CompleteMultipartUploadCommand({ ...one, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: CopyPartResult.ETag }] } }))
  const copied = await s3.send(new GetObjectCommand({ Bucket, Key: 'parts/copied' }))
  assert.ok(parts[0].subarray(0, 10).equals(Buffer.from(await copied.Body.transformToByteArray())))

  const given = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: given.UploadId }))
  await fails(s3.send(new ListPartsCommand({ Bucket, Key, UploadId: given.UploadId })), 'NoSuchUpload', 404)
})

test('an object of parts has a checksum of its own', async () => {
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(100)]
  const kinds = [
    ['CRC64NVME', 'FULL_OBJECT'], ['CRC32', 'FULL_OBJECT'], ['CRC32C', 'FULL_OBJECT'], ['CRC32', 'COMPOSITE'], ['SHA256', 'COMPOSITE'],
  ]
  for (const [ChecksumAlgorithm, ChecksumType] of kinds) {
    const Key = `sums/${ChecksumAlgorithm}-${ChecksumType}`
    const name = `Checksum${ChecksumAlgorithm}`
    const begun = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm, ChecksumType }))
    assert.deepEqual([begun.ChecksumAlgorithm, begun.ChecksumType], [ChecksumAlgorithm, ChecksumType])
    const one = { Bucket, Key, UploadId: begun.UploadId }
    const Parts = []
    for (const [n, Body] of parts.entries()) {
      const sent = await s3.send(new UploadPartCommand({ ...one, PartNumber: n + 1, Body, ChecksumAlgorithm }))
      Parts.push({ PartNumber: n + 1, ETag: sent.ETag, [name]: sent[name] })
    }
    const swapped = [{ ...Parts[0], [name]: Parts[1][name] }, ...Parts.slice(1)]
    await fails(s3.send(new CompleteMultipartUploadCommand({ ...one, MultipartUpload: { Parts: swapped } })), 'InvalidPart', 400)
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...one, ChecksumType, MultipartUpload: { Parts } }))
    assert.equal(done.ChecksumType, ChecksumType)
    if (ChecksumType === 'FULL_OBJECT') {
      const whole = await put(`${Key}-whole`, Buffer.concat(parts), { ChecksumAlgorithm })
      assert.equal(done[name], whole[name])
    } else {
      assert.match(done[name], /-3$/)
    }
    const told = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    assert.deepEqual([told[name], told.ChecksumType], [done[name], ChecksumType])
    const ObjectAttributes = ['ETag', 'Checksum', 'ObjectParts', 'ObjectSize', 'StorageClass']
    const known = await s3.send(new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes }))
    assert.deepEqual(
      [known.ETag, known.Checksum[name], known.ObjectParts.TotalPartsCount, known.ObjectSize],
      [done.ETag.replaceAll('"', ''), done[name], 3, 10 * MIB + 100],
    )
    assert.deepEqual(known.ObjectParts.Parts.map((part) => part[name]), Parts.map((part) => part[name]))
    // The SDK compares what it reads.
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    assert.ok(Buffer.concat(parts).equals(Buffer.from(await Body.transformToByteArray())), Key)
  }
})

test('lib-storage uploads a stream of unknown length', async () => {
  const pieces = Array.from({ length: 23 }, () => randomBytes(512 * 1024))
  await new Upload({ client: s3, params: { Bucket, Key: 'parts/managed', Body: Readable.from(pieces) }, queueSize: 3 }).done()
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'parts/managed' }))
  assert.ok(Buffer.concat(pieces).equals(Buffer.from(await Body.transformToByteArray())))
})

test('lists go on page by page', async () => {
  await Promise.all(Array.from({ length: 25 }, (_, n) => put(`list/${String(n).padStart(2, '0')}/x`, 'x')))
  const keys = []
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 10 }, { Bucket, Prefix: 'list/' })) {
    keys.push(...page.Contents.map(({ Key }) => Key))
  }
  assert.equal(new Set(keys).size, 25)
  const folders = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/', MaxKeys: 3 }))
  assert.deepEqual(folders.CommonPrefixes.map(({ Prefix }) => Prefix), ['list/00/', 'list/01/', 'list/02/'])
  const next = await s3.send(new ListObjectsCommand({ Bucket, Prefix: 'list/', Delimiter: '/', Marker: 'list/23/' }))
  assert.deepEqual(next.CommonPrefixes, [{ Prefix: 'list/24/' }])
})

test('objects are copied and deleted', async () => {
  await put('copy/a b', 'hello')
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy/c', CopySource: `${Bucket}/${encodeURIComponent('copy/a b')}` }))
  assert.equal(await text('copy/c'), 'hello')
  const { Deleted } = await s3.send(new DeleteObjectsCommand({
    Bucket, Delete: { Objects: [{ Key: 'copy/a b' }, { Key: 'copy/none' }] },
  }))
  assert.deepEqual(Deleted.map(({ Key }) => Key).sort(), ['copy/a b', 'copy/none'])
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'copy/c' }))
  const { KeyCount } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'copy/' }))
  assert.equal(KeyCount, 0)
})

test('a subresource never becomes the object', async () => {
  await put('kept', 'content')
  const Key = 'kept'
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }))
  await fails(s3.send(new PutObjectRetentionCommand({ Bucket, Key, Retention: { Mode: 'GOVERNANCE' } })), 'NotImplemented', 501)
  assert.equal(await text(Key), 'content')
})

test('presigned URLs work in any client until they end', async () => {
  const upload = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'signed' }), { expiresIn: 60 })
  assert.equal((await fetch(upload, { method: 'PUT', body: 'signed content' })).status, 200)
  const download = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'signed', ResponseContentType: 'text/x-test' }), { expiresIn: 60 })
  const answer = await fetch(download)
  assert.deepEqual([await answer.text(), answer.headers.get('content-type')], ['signed content', 'text/x-test'])
  assert.equal((await fetch(download.replace('/signed?', '/kept?'))).status, 403)
  const old = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'signed' }), {
    expiresIn: 60, signingDate: new Date(Date.now() - 120_000),
  })
  assert.equal((await fetch(old)).status, 403)
})

test('a user with a session token sees what policies let him see', async () => {
  await basalt.sql(`create policy own on storage.objects for all to authenticated
    using (owner_id = (select auth.uid()::text)) with check (owner_id = (select auth.uid()::text))`)
  const session = async (name) => {
    const { token } = await new Application(basalt, KEY_SETS[0]).signUp(name)
    return client({ accessKeyId: 'stub', secretAccessKey: basalt.keys.ANON_KEY, sessionToken: token })
  }
  const [ada, bob] = [await session('ada'), await session('bob')]
  await ada.send(new PutObjectCommand({ Bucket, Key: 'ada/secret', Body: 'mine' }))
  const own = await ada.send(new ListObjectsV2Command({ Bucket }))
  assert.deepEqual(own.Contents.map(({ Key }) => Key), ['ada/secret'])
  await fails(bob.send(new GetObjectCommand({ Bucket, Key: 'ada/secret' })), 'NoSuchKey', 404)
  await fails(bob.send(new PutObjectCommand({ Bucket, Key: 'ada/secret', Body: 'x' })), 'AccessDenied', 403)
  const url = await getSignedUrl(ada, new GetObjectCommand({ Bucket, Key: 'ada/secret' }), { expiresIn: 60 })
  assert.equal(await (await fetch(url)).text(), 'mine')
})

test('wrong keys and a wrong clock are told apart', async () => {
  const { S3_PROTOCOL_ACCESS_KEY_ID: accessKeyId, S3_PROTOCOL_ACCESS_KEY_SECRET: secretAccessKey } = basalt.keys
  const list = (one) => one.send(new ListBucketsCommand({}))
  await fails(list(client({ accessKeyId, secretAccessKey: 'wrong' })), 'SignatureDoesNotMatch', 403)
  await fails(list(client({ accessKeyId: 'wrong', secretAccessKey })), 'InvalidAccessKeyId', 403)
  await fails(list(client({ accessKeyId, secretAccessKey }, { systemClockOffset: -20 * 60 * 1000 })), 'RequestTimeTooSkewed', 403)
})
