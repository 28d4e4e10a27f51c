// Settings from the command line, without a server.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { basaltBinary, cleanEnvironment, temporaryDirectory } from './harness.mjs'

describe('settings from the command line', () => {
  let root
  before(() => {
    root = temporaryDirectory()
    mkdirSync(path.join(root, 'data'))
  })
  after(() => rmSync(root, { recursive: true, force: true }))

  const run = (words, { file = '', env = {} } = {}) => {
    writeFileSync(path.join(root, 'data/basalt.toml'), file)
    return spawnSync(basaltBinary(), words, { cwd: root, encoding: 'utf8', env: cleanEnvironment(env) })
  }
  const at = ['--data-dir', 'data']

  test('config check says what is wrong, and ends with 3', () => {
    assert.match(run(['config', 'check', ...at]).stdout, /in order/)
    const wrong = run(['config', 'check', ...at], { file: '[auth]\njwt_expiry = "soon"\nsite_ulr = "x"\n' })
    assert.equal(wrong.status, 3)
    assert.match(wrong.stderr, /auth\.jwt_expiry: `soon` is not a duration/)
    assert.match(wrong.stderr, /did you mean auth\.site_url/)
    const noted = run(['config', 'check', '-o', 'json', ...at], { env: { GOTRUE_NOTHING_KNOWN: '1' } })
    assert.match(JSON.parse(noted.stdout).notes.join(), /GOTRUE_NOTHING_KNOWN/)
  })

  test('config show tells values and who set them, and no secret', () => {
    const file = '[rest]\nmax_rows = 5\n'
    const env = { SITE_URL: 'http://a.example.com', JWT_SECRET: 'a-secret-that-is-long-enough-for-it-all' }
    const shown = JSON.parse(run(['config', 'show', '-o', 'json', ...at], { file, env }).stdout)
    assert.equal(shown['rest.max_rows'].value, 5)
    assert.match(shown['rest.max_rows'].source, /basalt\.toml/)
    assert.match(shown['auth.site_url'].source, /SITE_URL/)
    assert.doesNotMatch(JSON.stringify(shown), /a-secret-that/)
    assert.match(run(['config', 'show', ...at], { file }).stdout, /^rest\.max_rows = 5 {2}# .*basalt\.toml/)
  })

  test('config reference is a file that can be used', () => {
    const reference = run(['config', 'reference']).stdout
    assert.match(reference, /# Largest body of a request to the data API\./)
    assert.equal(run(['config', 'check', ...at], { file: reference }).status, 0)
  })

  test('what is written wrongly ends with 2, what is not there with 4', () => {
    assert.equal(run(['config', 'chekc']).status, 2)
    assert.equal(run(['users', 'list', '--data-dir', 'nowhere']).status, 4)
    assert.match(run(['config', 'show', '--help']).stdout, /Examples:\n {2}basalt config show/)
  })
})
