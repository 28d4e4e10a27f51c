// The Supabase command line from npm on Basalt's Postgres: every command that works without a container engine.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Basalt, cleanEnvironment } from './harness.mjs'
import { SUPABASE, needs } from './programs.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const example = path.join(here, '../../../examples/migrations/supabase')

// What looks at a database and takes nothing but its address.
const INSPECTIONS = [
  'bloat', 'blocking', 'calls', 'collation-drift', 'db-stats', 'index-stats', 'locks', 'long-running-queries',
  'outliers', 'replication-slots', 'role-stats', 'table-stats', 'toast-sizes', 'traffic-profile', 'vacuum-stats', 'xid-age',
]

describe('the Supabase command line', needs(SUPABASE), () => {
  let basalt, project

  before(async () => {
    basalt = await Basalt.start()
    project = path.join(basalt.root, 'project')
  })
  after(() => basalt?.destroy())

  beforeEach(async () => {
    rmSync(project, { recursive: true, force: true })
    cpSync(example, path.join(project, 'supabase'), { recursive: true })
    const reset = basalt.run(['db', 'reset', '--yes', '--version', '20240501090000', '--no-seed', '--project', project])
    assert.equal(reset.status, 0, reset.stderr)
  })

  const attempt = (words, { url = basalt.keys.DB_URL, env = {} } = {}) =>
    spawnSync(SUPABASE, [...words, `--remote=${url}`, '--yes'], {
      cwd: project,
      encoding: 'utf8',
      input: '',
      timeout: 120_000,
      env: cleanEnvironment({ SUPABASE_TELEMETRY_DISABLED: '1', HOME: basalt.root, ...env }),
    })
  const run = (words, options) => {
    const done = attempt(words, options)
    assert.equal(done.status, 0, `supabase ${words.join(' ')}\n${done.stdout}${done.stderr}`)
    return done
  }
  const versions = async () => {
    const rows = await basalt.sql('select version from supabase_migrations.schema_migrations order by 1')
    return rows.map((row) => row.version)
  }
  const count = async (table) => (await basalt.sql(`select count(*)::int from ${table}`))[0].count

  test('pushes what is new, with seeds', async () => {
    assert.match(run(['db', 'push', '--dry-run']).stderr, /20240502090000_pictures\.sql/)
    assert.deepEqual(await versions(), ['20240501090000'])
    run(['db', 'push', '--include-seed'])
    assert.deepEqual(await versions(), ['20240501090000', '20240502090000'])
    assert.equal(await count('public.products'), 2)
    // Both keep one history.
    assert.match(basalt.run(['db', 'push', '--include-seed', '--project', project]).stdout, /nothing is pending/)
    assert.match(run(['migration', 'list']).stdout, /20240502090000` \| `20240502090000/)
  })

  test('goes up, down and back to the beginning', async () => {
    run(['migration', 'up'])
    assert.deepEqual(await versions(), ['20240501090000', '20240502090000'])
    await basalt.sql('create schema mine; create table mine.t ()')
    run(['migration', 'down', '--last', '1'])
    assert.deepEqual(await versions(), ['20240501090000'])
    assert.deepEqual(await basalt.sql(`select from pg_policies where policyname = 'staff_upload_pictures'`), [])
    run(['db', 'reset'])
    assert.deepEqual(await versions(), ['20240501090000', '20240502090000'])
    assert.equal(await count('public.products'), 2)
    assert.deepEqual(await basalt.sql(`select to_regnamespace('mine') as mine`), [{ mine: null }])
    assert.equal((await fetch(`${basalt.url}/health`)).status, 200)
  })

  test('repairs and fetches the history', async () => {
    run(['migration', 'repair', '20240502090000', '--status', 'applied'])
    assert.deepEqual(await versions(), ['20240501090000', '20240502090000'])
    run(['migration', 'repair', '20240502090000', '--status', 'reverted'])
    assert.deepEqual(await versions(), ['20240501090000'])
    const folder = path.join(project, 'supabase/migrations')
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
    run(['migration', 'fetch'])
    assert.deepEqual(readdirSync(folder), ['20240501090000_products.sql'])
  })

  test('writes the secrets of the settings', async () => {
    writeFileSync(path.join(project, 'supabase/config.toml'), 'project_id = "shop"\n[db.vault]\nshop = "of the file"\n')
    run(['db', 'push'])
    const [row] = await basalt.sql(`select decrypted_secret from vault.decrypted_secrets where name = 'shop'`)
    assert.deepEqual(row, { decrypted_secret: 'of the file' })
  })

  test('generates types', () => {
    assert.match(run(['gen', 'types']).stdout, /"products": \{\s+Row: \{\s+"id": number,"name": string,"price": number/)
    assert.match(run(['gen', 'types', '--lang', 'go']).stdout, /type PublicProductsSelect struct/)
    assert.match(run(['gen', 'types', '--lang', 'python']).stdout, /class PublicProducts\(BaseModel\)/)
  })

  test('queries, advises and inspects', () => {
    assert.match(run(['db', 'query', 'select 41 + 1 as answer']).stdout, /42/)
    run(['db', 'advisors'])
    for (const what of INSPECTIONS) run(['inspect', 'db', what])
    run(['inspect', 'report'])
  })

  test('comes encrypted', async () => {
    const certificate = path.join(basalt.dataDir, 'secrets/postgres.crt')
    assert.doesNotMatch(run(['migration', 'list']).stdout, /without TLS/)
    run(['migration', 'list'], { env: { PGSSLMODE: 'verify-full', PGSSLROOTCERT: certificate } })
    const [row] = await basalt.sql('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    assert.deepEqual(row, { ssl: false }, 'others may do without')
  })
})

test('a database that wants encryption refuses to do without', needs(SUPABASE), async () => {
  const basalt = await Basalt.start({ env: { BASALT_DATABASE__TLS: 'required' } })
  try {
    await assert.rejects(basalt.sql('select 1'), /no pg_hba.conf entry|no encryption/)
    const listed = spawnSync(SUPABASE, ['migration', 'list', `--remote=${basalt.keys.DB_URL}`, '--yes'], {
      cwd: basalt.root, encoding: 'utf8', input: '', env: cleanEnvironment({ SUPABASE_TELEMETRY_DISABLED: '1', HOME: basalt.root }),
    })
    assert.equal(listed.status, 0, listed.stderr)
  } finally {
    await basalt.destroy()
  }
})
