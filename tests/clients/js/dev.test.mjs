// `basalt dev`: a project folder as the Supabase command line has it, served while somebody works on it.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { createClient, PASSWORD } from './client.mjs'
import { basaltBinary, cleanEnvironment, freePorts, temporaryDirectory } from './harness.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const example = path.join(here, '../../../examples/migrations')

class Dev {
  constructor(project, flags, env) {
    this.project = project
    this.told = ''
    this.shown = ''
    this.child = spawn(basaltBinary(), ['dev', '-o', 'json', ...flags], {
      cwd: path.join(project, 'supabase'),
      env: cleanEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stderr.on('data', (chunk) => { this.told += chunk })
    this.child.stdout.on('data', (chunk) => { this.shown += chunk })
  }

  async until(what, condition) {
    const deadline = Date.now() + 60_000
    for (;;) {
      const value = await condition()
      if (value) return value
      if (Date.now() > deadline || this.child.exitCode !== null) throw new Error(`${what}\n${this.told}${this.shown}`)
      await sleep(50)
    }
  }

  async ready() {
    this.keys = await this.until('it is ready', () => { try { return JSON.parse(this.shown) } catch { return null } })
    this.client = createClient(this.keys.API_URL, this.keys.ANON_KEY)
    return this
  }

  tells(pattern) {
    return this.until(`it tells ${pattern}`, () => pattern.test(this.told))
  }

  async sql(text) {
    const client = new pg.Client({ connectionString: this.keys.DB_URL })
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }
}

describe('basalt dev', () => {
  let project, dev, ports
  before(async () => {
    project = temporaryDirectory()
    ports = await freePorts(2)
    cpSync(example, project, { recursive: true })
    writeFileSync(path.join(project, 'supabase/.env'), 'SITE=https://shop.example.com\n')
    writeFileSync(path.join(project, 'supabase/config.toml'), `
      project_id = "shop"
      [api]
      port = ${ports[0]}
      max_rows = 1
      [api.tls]
      enabled = true
      [db]
      port = ${ports[1]}
      [db.vault]
      shop = "env(SITE)"
      [storage.buckets.documents]
      public = true
      file_size_limit = "1MiB"
      allowed_mime_types = ["text/plain"]
      [auth]
      site_url = "env(SITE)"
      minimum_password_length = 8
      [auth.external.apple]
      enabled = false
      secret = "env(NOWHERE)"
      [studio]
      enabled = true`)
  })
  afterEach(() => dev?.stop())
  after(() => rmSync(project, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))

  const start = (...flags) => {
    dev = new Dev(project, flags, {})
    return dev.ready()
  }
  const write = (file, text) => {
    mkdirSync(path.dirname(path.join(project, 'supabase', file)), { recursive: true })
    writeFileSync(path.join(project, 'supabase', file), text)
  }

  test('serves the folder as it is', async () => {
    const { keys, client } = await start()
    assert.equal(keys.API_URL, `http://127.0.0.1:${ports[0]}`)
    assert.equal(keys.DB_URL, `postgresql://postgres:postgres@127.0.0.1:${ports[1]}/postgres`)
    assert.equal(keys.JWT_SECRET, 'super-secret-jwt-token-with-at-least-32-characters-long')
    assert.match(dev.told, /applied 20240501090000_products\napplied 20240502090000_pictures\nseeded supabase\/seed\.sql\n/)
    assert.equal(dev.told.match(/without effect/g)?.length, 1)
    assert.match(dev.told, /config\.toml: without effect in this version: api\.tls\.enabled\n/)
    // The data API learns of a new schema within moments.
    const products = await dev.until('the table is known', async () => (await client.from('products').select()).data)
    assert.equal(products.length, 1, 'max_rows counts')
    const short = await client.auth.signUp({ email: 'ada@example.com', password: 'short12' })
    assert.equal(short.error?.code, 'weak_password')
    assert.ok((await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })).data.session)
    const [bucket] = await dev.sql(`select public, file_size_limit, allowed_mime_types from storage.buckets where id = 'documents'`)
    assert.deepEqual(bucket, { public: true, file_size_limit: '1048576', allowed_mime_types: ['text/plain'] })
    const [secret] = await dev.sql(`select decrypted_secret from vault.decrypted_secrets where name = 'shop'`)
    assert.deepEqual(secret, { decrypted_secret: 'https://shop.example.com' })
    // Other commands find it from within the folder.
    const status = spawnSync(basaltBinary(), ['status', '-o', 'json'], { cwd: project, env: cleanEnvironment({}), encoding: 'utf8' })
    assert.equal(JSON.parse(status.stdout).API_URL, keys.API_URL)
    assert.equal(readFileSync(path.join(project, 'supabase/.basalt/.gitignore'), 'utf8'), '*\n')
  })

  test('follows the folder', async () => {
    const { client } = await start()
    assert.doesNotMatch(dev.told, /applied|seeded/, 'what was applied stays applied')
    write('migrations/20240503090000_colours.sql', `alter table public.products add column colour text; notify pgrst, 'reload schema'`)
    await dev.tells(/applied 20240503090000_colours/)
    await dev.until('the column is there', async () => !(await client.from('products').select('colour')).error)
    write('migrations/20240504090000_wrong.sql', 'select 1/0')
    await dev.tells(/error: .*division by zero/)
    write('migrations/20240504090000_wrong.sql', 'select 1')
    await dev.tells(/applied 20240504090000_wrong/)
    write('migrations/20240504090000_wrong.sql', 'select 2')
    await dev.tells(/20240504090000_wrong\.sql has changed since it was applied/)
    write('seed.sql', 'select 1')
    await dev.tells(/seed\.sql has changed since it ran/)
    assert.equal((await dev.sql('select count(*)::int from public.products'))[0].count, 2, 'nothing is lost unasked')
  })

  test('begins anew if told to', async () => {
    write('migrations/20240504090000_wrong.sql', 'create table public.anew ()')
    write('seed.sql', `insert into public.products (name, price) values ('Saucer', 3)`)
    await start('--reset-on-change')
    assert.match(dev.told, /beginning anew\napplied/)
    assert.deepEqual(await dev.sql('select name from public.products'), [{ name: 'Saucer' }])
  })
})
