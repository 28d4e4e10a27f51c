// `/vault/v1`: secrets over HTTP, for whoever holds the service key, and what the server tells others of them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import { Basalt } from './harness.mjs'

const PLAIN = 'must-not-be-told-to-anybody'

describe('/vault/v1', () => {
  let basalt

  before(async () => {
    // Everything that Postgres can be made to say about statements.
    const settings = {
      BASALT_DATABASE__SETTINGS__LOG_STATEMENT: 'all',
      BASALT_DATABASE__SETTINGS__LOG_MIN_DURATION_STATEMENT: '0',
      BASALT_LOG__LEVEL: 'debug',
    }
    basalt = await Basalt.start({ env: settings })
  })
  after(() => basalt?.destroy())

  const call = async (key, method, where, body) => {
    const headers = { ...(key && { apikey: key }), 'content-type': 'application/json' }
    const response = await fetch(`${basalt.url}/vault/v1${where}`, { method, headers, body: body && JSON.stringify(body) })
    return { status: response.status, body: await response.json().catch(() => null) }
  }
  const owner = (...request) => call(basalt.keys.SECRET_KEY, ...request)

  test('what is written is read by SQL, and the other way round', async () => {
    assert.equal((await owner('PUT', '/secrets/token', { secret: 'sécret', description: 'for the shop' })).status, 201)
    const [row] = await basalt.sql(`select decrypted_secret from vault.decrypted_secrets where name = 'token'`)
    assert.equal(row.decrypted_secret, 'sécret')
    await basalt.sql(`select vault.create_secret('by SQL', 'other')`)
    assert.equal((await owner('GET', '/secrets/other')).body.decrypted_secret, 'by SQL')
    const legacy = await call(basalt.keys.SERVICE_ROLE_KEY, 'GET', '/secrets')
    assert.deepEqual(legacy.body.map(({ name }) => name), ['other', 'token'])
    assert.deepEqual(Object.keys(legacy.body[0]).sort(), ['created_at', 'description', 'id', 'name', 'updated_at'])
    assert.equal((await owner('DELETE', '/secrets/other')).status, 204)
    assert.deepEqual((await owner('GET', '/key')).body, { readable: true, changing: false, secrets: 1, sealed_elsewhere: 0 })
  })

  test('without the service key nobody learns anything', async () => {
    for (const [key, status] of [[null, 401], ['sb_secret_x', 401], [basalt.keys.ANON_KEY, 403], [basalt.keys.PUBLISHABLE_KEY, 403]]) {
      for (const where of ['/secrets', '/secrets/token', '/key']) {
        assert.equal((await call(key, 'GET', where)).status, status, `${key} ${where}`)
      }
    }
    const session = await fetch(`${basalt.url}/auth/v1/signup`, {
      method: 'POST',
      headers: { apikey: basalt.keys.ANON_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'vault@example.com', password: 'correct horse' }),
    }).then((response) => response.json())
    const headers = { apikey: basalt.keys.SECRET_KEY, authorization: `Bearer ${session.access_token}` }
    const asUser = await fetch(`${basalt.url}/vault/v1/secrets/token`, { headers })
    assert.equal(asUser.status, 403, 'a user does not become the owner by the key of the server he talks through')
  })

  test('a row that somebody has tampered with does not open', async () => {
    const admin = new pg.Client({ connectionString: superuser(basalt) })
    await admin.connect()
    try {
      for (const name of ['mine', 'yours']) assert.equal((await owner('POST', '/secrets', { name, secret: `of ${name}` })).status, 201)
      const opened = (name) => admin.query('select decrypted_secret from vault.decrypted_secrets where name = $1', [name])
      for (const tampered of [
        // Another row's content, one bit, the end, something in plain text.
        `(select secret from vault.secrets where name = 'yours')`,
        `overlay(secret placing case substr(secret, 60, 1) when 'A' then 'B' else 'A' end from 60 for 1)`,
        `left(secret, -8)`,
        `'b1:' || encode('of mine', 'base64')`,
        `'of mine'`,
      ]) {
        await admin.query('begin')
        await admin.query(`update vault.secrets set secret = ${tampered} where name = 'mine'`)
        await assert.rejects(opened('mine'), tampered)
        await admin.query('rollback')
      }
      assert.equal((await opened('mine')).rows[0].decrypted_secret, 'of mine')
    } finally {
      await admin.end()
    }
    for (const name of ['mine', 'yours']) await owner('DELETE', `/secrets/${name}`)
  })

  test('neither contents nor the key are in logs, statistics, the list of sessions or a dump', async () => {
    assert.equal((await owner('POST', '/secrets', { name: 'quiet', secret: PLAIN })).status, 201)
    assert.equal((await owner('PATCH', '/secrets/quiet', { secret: `${PLAIN} twice` })).status, 200)
    assert.equal((await owner('GET', '/secrets/quiet')).body.decrypted_secret, `${PLAIN} twice`)
    // A statement that fails is not told either.
    assert.equal((await owner('POST', '/secrets', { name: 'quiet', secret: PLAIN })).status, 409)
    assert.equal(basalt.run(['secrets', 'set', 'by-command'], PLAIN).status, 0)
    const key = readFileSync(path.join(basalt.dataDir, 'vault', 'root.key'), 'utf8').trim()
    const hidden = [PLAIN, key]

    const told = await basalt.sql(`
      select coalesce(string_agg(query, ' '), '') as text from (
        select query from pg_stat_activity where pid <> pg_backend_pid()
        union all select query from extensions.pg_stat_statements) statements`)
    // Of everything, by a superuser.
    // Not synchronously: Postgres says so much meanwhile that somebody has to listen.
    const dump = await promisify(execFile)('pg_dump', ['--dbname', superuser(basalt)], { maxBuffer: 1e8, timeout: 60_000 })
    assert.match(dump.stdout, /^COPY vault\.secrets [^]*b1:/m)
    const places = [basalt.log, told[0].text, dump.stdout, ...logs(basalt.dataDir)]
    for (const text of hidden) {
      for (const place of places) assert.ok(!place.includes(text), place.slice(Math.max(0, place.indexOf(text) - 200)).slice(0, 300))
    }
    assert.ok(places.some((place) => place.includes('duration')), 'Postgres did log statements')
  })
})

const superuser = ({ dataDir, dbPort }) =>
  `postgresql://supabase_admin@/postgres?host=${encodeURIComponent(path.join(dataDir, 'run'))}&port=${dbPort}`

// Every file of the data directory that Postgres writes its log to.
function logs(dataDir) {
  const files = readdirSync(dataDir, { recursive: true }).filter((name) => /\.log$/.test(name))
  return files.map((name) => readFileSync(path.join(dataDir, name), 'utf8'))
}
