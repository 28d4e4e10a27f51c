// `basalt buckets` and `basalt storage` on a running server.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createClient } from './client.mjs'
import { Basalt } from './harness.mjs'

describe('basalt buckets and basalt storage', () => {
  let basalt

  before(async () => { basalt = await Basalt.start() })
  after(() => basalt?.destroy())

  const run = (...words) => basalt.run(words)
  const ok = (...words) => {
    const done = run(...words, '-o', 'json')
    assert.equal(done.status, 0, done.stderr)
    return JSON.parse(done.stdout)
  }
  const files = (directory) => readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort()

  test('help shows examples', () => {
    for (const command of ['buckets', 'storage']) {
      const help = run(command, '--help')
      assert.match(help.stdout, /Examples:\n {2}basalt /)
    }
  })

  test('buckets are made, shown, changed and deleted', () => {
    const made = ok('buckets', 'create', 'shelf', '--public', '--file-size-limit', '5mb', '--allow', 'text/*', '--allow', 'image/png')
    assert.equal(made.public, true)
    assert.equal(made.file_size_limit, 5_000_000)
    assert.deepEqual(made.allowed_mime_types, ['text/*', 'image/png'])
    const twice = run('buckets', 'create', 'shelf')
    assert.equal(twice.status, 1)
    assert.match(twice.stderr, /already exists/)
    const changed = ok('buckets', 'update', 'shelf', '--private', '--allow', 'any', '--keep', '1h', '--quota', '1MB', '--max-objects', '40')
    assert.equal(changed.public, false)
    assert.equal(changed.allowed_mime_types, null)
    assert.deepEqual([changed.keep_versions_seconds, changed.quota_bytes, changed.quota_objects], [3600, 1_000_000, 40])
    const kept = ok('buckets', 'update', 'shelf', '--max-objects', 'none')
    assert.deepEqual([kept.keep_versions_seconds, kept.quota_bytes, kept.quota_objects], [3600, 1_000_000, null])
    assert.deepEqual(ok('buckets', 'list').map((bucket) => bucket.name), ['shelf'])
    assert.match(run('buckets', 'show', 'shelf').stdout, /bytes +0 of 1000000/)
    assert.equal(run('buckets', 'show', 'none').status, 1)
    ok('buckets', 'create', 'short')
    assert.equal(run('buckets', 'delete', 'short').status, 1) // nobody said --yes
    ok('buckets', 'delete', 'short', '--yes')
    assert.deepEqual(ok('buckets', 'list').map((bucket) => bucket.name), ['shelf'])
    assert.equal(run('buckets', 'create', 'x', '--quota', 'much').status, 2)
  })

  test('files go up and come down', async () => {
    const from = path.join(basalt.root, 'from')
    mkdirSync(path.join(from, 'deep', 'er'), { recursive: true })
    writeFileSync(path.join(from, 'a.txt'), 'a')
    writeFileSync(path.join(from, 'deep', 'b c.json'), '{}')
    const large = Buffer.alloc(300_000, 'large ')
    writeFileSync(path.join(from, 'deep', 'er', 'c.bin'), large)
    assert.equal(run('storage', 'cp', from, 'ss:///shelf/up').status, 1) // not without --recursive
    assert.deepEqual(ok('storage', 'cp', from, 'ss:///shelf/up', '-r'), { files: 3, bytes: 300_003 })
    const to = path.join(basalt.root, 'to')
    assert.equal(ok('storage', 'cp', 'ss:///shelf/up', to, '-r').files, 3)
    assert.deepEqual(files(to), ['a.txt', 'deep/b c.json', 'deep/er/c.bin'])
    assert.deepEqual(readFileSync(path.join(to, 'deep/er/c.bin')), large)
    const single = path.join(basalt.root, 'single.txt')
    ok('storage', 'cp', 'ss:///shelf/up/a.txt', single)
    assert.equal(readFileSync(single, 'utf8'), 'a')
    const info = ok('storage', 'info', 'ss:///shelf/up/deep/b c.json')
    assert.deepEqual([info.content_type, info.size], ['application/json', 2])
    const missing = run('storage', 'cp', 'ss:///shelf/none', single)
    assert.equal(missing.status, 1)
    assert.match(missing.stderr, /Object not found/)
    assert.equal(readFileSync(single, 'utf8'), 'a')

    assert.deepEqual(ok('storage', 'ls').map((bucket) => bucket.name), ['shelf'])
    assert.deepEqual(ok('storage', 'ls', 'ss:///shelf/up').map((each) => each.name), ['up/deep/', 'up/a.txt'])
    const all = ok('storage', 'ls', 'ss:///shelf', '-r').map((each) => each.name)
    assert.deepEqual(all, ['up/a.txt', 'up/deep/b c.json', 'up/deep/er/c.bin'])

    ok('storage', 'mv', 'ss:///shelf/up/a.txt', 'ss:///shelf/moved.txt')
    assert.equal(run('storage', 'rm', 'ss:///shelf/up', '-r').status, 1)
    assert.equal(ok('storage', 'rm', 'ss:///shelf/up', '-r', '--yes').length, 2)
    assert.equal(run('storage', 'rm', 'ss:///shelf/none', '--yes').status, 1)
    assert.deepEqual(ok('storage', 'ls', 'ss:///shelf', '-r').map((each) => each.name), ['moved.txt'])
    const client = createClient(basalt.url, basalt.keys.SERVICE_ROLE_KEY)
    const { data } = await client.storage.from('shelf').download('moved.txt')
    assert.equal(await data.text(), 'a')
  })

  test('a quota holds', () => {
    const file = path.join(basalt.root, 'big.bin')
    writeFileSync(file, Buffer.alloc(1_000_001))
    const refused = run('storage', 'cp', file, 'ss:///shelf/')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /may hold 1000000 bytes/)
  })

  test('what was replaced comes back', () => {
    const file = path.join(basalt.root, 'text.txt')
    for (const text of ['first', 'second']) {
      writeFileSync(file, text)
      ok('storage', 'cp', file, 'ss:///shelf/text.txt')
    }
    const versions = ok('storage', 'versions', 'ss:///shelf/text.txt')
    assert.deepEqual(versions.map((version) => version.reason), ['overwritten'])
    ok('storage', 'restore', 'ss:///shelf/text.txt')
    ok('storage', 'cp', 'ss:///shelf/text.txt', file)
    assert.equal(readFileSync(file, 'utf8'), 'first')
    ok('storage', 'rm', 'ss:///shelf/text.txt', '--yes')
    const [deleted] = ok('storage', 'versions', 'ss:///shelf/text.txt')
    assert.equal(deleted.reason, 'deleted')
    ok('storage', 'restore', 'ss:///shelf/text.txt', deleted.id)
    assert.equal(run('storage', 'restore', 'ss:///shelf/never.txt').status, 1)
    assert.equal(typeof ok('storage', 'sweep').removed_files, 'number')
  })

  test('a scrub finds a file that is not what it was', () => {
    const clean = ok('storage', 'scrub')
    assert.deepEqual(clean.problems, [])
    assert.equal(clean.checked, 5) // two objects, two that were removed and one that was replaced
    const { version } = ok('storage', 'info', 'ss:///shelf/moved.txt')
    const file = path.join(basalt.dataDir, 'storage', 'stub', 'stub', 'shelf', 'moved.txt', version)
    writeFileSync(file, 'b')
    const found = run('storage', 'scrub', 'shelf', '-o', 'json')
    assert.equal(found.status, 1)
    assert.equal(JSON.parse(found.stdout).problems[0].problem, 'the file has another content')
    rmSync(file)
    assert.match(run('storage', 'scrub').stdout, /ss:\/\/\/shelf\/moved\.txt: the file is missing/)
  })

  test('a bucket is emptied', () => {
    ok('buckets', 'empty', 'shelf', '--yes')
    assert.deepEqual(ok('storage', 'ls', 'ss:///shelf', '-r'), [])
    ok('buckets', 'delete', 'shelf', '--yes')
  })

  test('without a server they say so', async () => {
    await basalt.stop()
    assert.equal(run('buckets', 'list').status, 5)
    assert.equal(run('storage', 'ls').status, 5)
  })
})
