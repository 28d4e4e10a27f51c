// Pairs of keys of S3, made, rotated and revoked under a running server: the AWS SDK goes on with one while another goes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

describe('pairs of keys', () => {
  let basalt, own

  const keys = (...args) => {
    const done = spawnSync(basaltBinary(), ['keys', 's3', ...args, '-o', 'json', '--data-dir', basalt.dataDir], {
      env: cleanEnvironment(basalt.env), cwd: basalt.root, encoding: 'utf8',
    })
    return { ...done, body: done.status === 0 ? JSON.parse(done.stdout) : {} }
  }
  const client = (accessKeyId, secretAccessKey) => new S3Client({
    endpoint: basalt.keys.STORAGE_S3_URL, region: basalt.keys.S3_PROTOCOL_REGION, forcePathStyle: true, maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  })
  const made = (...args) => {
    const { access_key: access, secret_key: secret } = keys('create', ...args).body
    return Object.assign(client(access, secret), { access, secret })
  }
  const put = (one, Bucket, Key = 'a') => one.send(new PutObjectCommand({ Bucket, Key, Body: 'content' }))
  const get = (one, Bucket, Key = 'a') => one.send(new GetObjectCommand({ Bucket, Key }))
  const answer = (sent) => sent.then(() => 'fine', (error) => error.name)
  // The server looks for changes every other second.
  const until = async (send, wanted) => {
    const deadline = Date.now() + 20_000
    for (let told; (told = await answer(send())) !== wanted;) {
      assert.ok(Date.now() < deadline, `${told} instead of ${wanted}`)
      await sleep(50)
    }
  }

  before(async () => {
    basalt = await Basalt.start()
    own = client(basalt.keys.S3_PROTOCOL_ACCESS_KEY_ID, basalt.keys.S3_PROTOCOL_ACCESS_KEY_SECRET)
    for (const Bucket of ['photos', 'papers']) {
      await own.send(new CreateBucketCommand({ Bucket }))
      await put(own, Bucket)
    }
  })
  after(() => basalt?.destroy())

  test('one that reads one bucket does that and no more', async () => {
    const backup = made('backup', '--bucket', 'photos', '--read-only')
    await until(() => get(backup, 'photos'), 'fine')
    const { Buckets } = await backup.send(new ListBucketsCommand({}))
    assert.deepEqual(Buckets.map(({ Name }) => Name), ['photos'])
    assert.equal(await answer(get(backup, 'papers')), 'AccessDenied')
    assert.equal(await answer(put(backup, 'photos')), 'AccessDenied')
    const { keys: shown } = keys('list').body
    assert.deepEqual(shown.map(({ name, bucket, read_only: reads }) => [name, bucket, reads]), [
      ['default', null, false], ['backup', 'photos', true],
    ])
    assert.ok(!keys('list').stdout.includes(backup.secret))
    assert.equal(keys('revoke', backup.access).status, 0)
    await until(() => get(backup, 'photos'), 'InvalidAccessKeyId')
    assert.equal(await answer(get(own, 'photos')), 'fine')
  })

  test('rotating refuses nobody until the pair before is revoked', async () => {
    let refused = 0
    let stop = false
    const working = (async () => {
      while (!stop) {
        if (await answer(put(own, 'photos', 'busy')) !== 'fine') refused += 1
      }
    })()
    const { access_key: access, secret_key: secret } = keys('rotate').body
    const fresh = client(access, secret)
    await until(() => get(fresh, 'photos'), 'fine')
    await sleep(200)
    stop = true
    await working
    assert.equal(refused, 0)
    assert.equal(keys('revoke', access).status, 1, 'the own pair cannot be revoked')
    assert.equal(keys('revoke', basalt.keys.S3_PROTOCOL_ACCESS_KEY_ID).status, 0)
    await until(() => get(own, 'photos'), 'InvalidAccessKeyId')
    assert.equal(await answer(get(fresh, 'photos')), 'fine')
    own = fresh
  })

  test('a pair can be a user, whom policies bind', async () => {
    const ada = made('ada', '--role', 'authenticated', '--user', '11111111-2222-4333-8444-555555555555')
    await until(() => get(ada, 'photos'), 'NoSuchKey')
    await basalt.sql(`create policy own on storage.objects for all to authenticated
      using (owner_id = (select auth.uid()::text)) with check (owner_id = (select auth.uid()::text))`)
    await put(ada, 'photos', 'hers')
    assert.equal(await answer(get(ada, 'photos', 'hers')), 'fine')
    assert.equal(await answer(get(ada, 'photos')), 'NoSuchKey')
    assert.equal(keys('create', 'x', '--user', 'somebody').status, 1, 'policies do not bind the service role')
  })

  test('no secret is in the log', () => {
    const file = path.join(basalt.dataDir, 'secrets', 'keys.json')
    const secrets = JSON.parse(readFileSync(file, 'utf8')).s3_keys.map((pair) => pair.secret)
    assert.ok(secrets.length > 0)
    for (const secret of [...secrets, basalt.keys.S3_PROTOCOL_ACCESS_KEY_SECRET]) {
      assert.ok(!basalt.log.includes(secret))
    }
  })
})
