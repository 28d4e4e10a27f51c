// `basalt secrets`: what the owner does with the vault from the command line.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Basalt } from './harness.mjs'

describe('basalt secrets', () => {
  let basalt

  before(async () => {
    basalt = await Basalt.start()
  })
  after(() => basalt?.destroy())

  const run = (words, input) => {
    const done = basalt.run(['secrets', ...words], input)
    assert.equal(done.status, 0, done.stderr)
    return done.stdout
  }
  const opened = (name) =>
    basalt.sql('select decrypted_secret as text from vault.decrypted_secrets where name = $1', [name])
      .then((rows) => rows[0]?.text)

  test('what is stored is seen by SQL, and the other way round', async () => {
    run(['set', 'token', '--description', 'for the shop'], 'sécret\n')
    assert.equal(await opened('token'), 'sécret')
    await basalt.sql(`select vault.create_secret('by SQL', 'other')`)
    assert.equal(run(['get', 'other']), 'by SQL\n')
    assert.deepEqual(JSON.parse(run(['get', 'token', '-o', 'json'])), { name: 'token', value: 'sécret' })
    run(['set', 'token'], 'two\nlines')
    assert.equal(run(['get', 'token']), 'two\nlines\n')
    const list = JSON.parse(run(['list', '-o', 'json']))
    assert.deepEqual(list.map(({ name, description }) => [name, description]), [['other', ''], ['token', 'for the shop']])
    assert.match(run(['list']), /^other .*\ntoken .*for the shop\n$/)
    run(['delete', 'other'])
    assert.equal(await opened('other'), undefined)
  })

  test('what cannot be done is said, with an exit code', () => {
    const missing = basalt.run(['secrets', 'get', 'nothing'])
    assert.equal(missing.status, 1)
    assert.match(missing.stderr, /there is no secret called "nothing"/)
    assert.equal(basalt.run(['secrets', 'delete', 'nothing']).status, 1)
    assert.equal(basalt.run(['secrets', 'set', ''], 'x').status, 1)
    assert.equal(basalt.run(['secrets', 'set']).status, 2)
  })

  test('the key is replaced while the server runs', async () => {
    const file = path.join(basalt.dataDir, 'vault', 'root.key')
    const before = readFileSync(file, 'utf8')
    run(['set', 'kept'], 'as it was')
    assert.match(run(['rotate-key']), /a new key; \d+ secrets/)
    assert.notEqual(readFileSync(file, 'utf8'), before)
    assert.match(readFileSync(file, 'utf8'), /^[0-9a-f]{64}\n$/)
    assert.equal(await opened('kept'), 'as it was')
    await basalt.stop()
    await basalt.launch()
    assert.equal(await opened('kept'), 'as it was')
  })

  test('secrets that a Supabase server sealed are adopted with its root key', async () => {
    const root = path.join(basalt.root, 'pgsodium_root.key')
    writeFileSync(root, '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n')
    assert.match(run(['adopt', root]), /^0 secrets were adopted/)
    writeFileSync(root, 'short')
    const wrong = basalt.run(['secrets', 'adopt', root])
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /64 hex digits/)
  })

  test('nothing of it is in the log of the server or its statistics', async () => {
    run(['set', 'quiet'], 'must-not-be-told')
    assert.equal(run(['get', 'quiet']), 'must-not-be-told\n')
    assert.doesNotMatch(basalt.log, /must-not-be-told/)
    const rows = await basalt.sql(`
      select query from pg_stat_activity where query like '%must-not-be-%' and pid <> pg_backend_pid()`)
    assert.deepEqual(rows, [])
  })
})
