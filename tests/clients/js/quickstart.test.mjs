// The quick start that the README shows, run as it stands.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Basalt, temporaryDirectory } from './harness.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const example = path.join(here, '../../../examples/quickstart')

test('the quick start keeps two users apart', async () => {
  const basalt = await Basalt.start()
  const directory = temporaryDirectory()
  try {
    for (const file of ['quickstart.mjs', 'package.json']) {
      copyFileSync(path.join(example, file), path.join(directory, file))
    }
    symlinkSync(path.join(here, 'node_modules'), path.join(directory, 'node_modules'))
    await basalt.loadSchema(path.join(example, 'schema.sql'), 'todos')
    const { API_URL, ANON_KEY } = basalt.keys
    const run = spawnSync(process.execPath, ['quickstart.mjs'], {
      cwd: directory, env: { ...process.env, API_URL, ANON_KEY }, encoding: 'utf8', timeout: 60_000,
    })
    assert.equal(run.status, 0, run.stderr)
    assert.equal(run.stdout, [
      'Ada wrote: try Basalt',
      "Ada sees: [ { task: 'try Basalt', done: false } ]",
      'Bob sees: []',
      '',
    ].join('\n'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
    await basalt.destroy()
  }
})

test('the quick start uses the versions that are tested', () => {
  const versions = (file) => JSON.parse(readFileSync(file, 'utf8')).dependencies
  const tested = versions(path.join(here, 'package.json'))
  for (const [name, version] of Object.entries(versions(path.join(example, 'package.json')))) {
    assert.equal(tested[name], version, name)
  }
})
