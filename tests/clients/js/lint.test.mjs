// `basalt db lint` says what `supabase db lint` says, and what Postgres itself says where plpgsql_check is not installed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { Basalt, cleanEnvironment } from './harness.mjs'
import { SUPABASE } from './programs.mjs'

const FUNCTIONS = `
  create table public.things (id int);
  create function public.missing() returns int language plpgsql as
    'declare x int; begin select a into x from nowhere; return x; end';
  create function public.shadowed(a int) returns int language plpgsql as
    'declare a int; begin a := 1; return a; end';
  create function public.sound(a int) returns int language plpgsql stable as 'begin return a + 1; end';
  create function public.trigger_of_things() returns trigger language plpgsql as
    'begin new.nothing := 1; return new; end';
  create trigger of_things before insert on public.things for each row execute function public.trigger_of_things();
  create schema other;
  create function other.missing() returns void language plpgsql as 'begin update nope set a = 1; end';
  set check_function_bodies = off;
  create function public.syntax() returns int language plpgsql as 'begin selec 1; end';
  create function public.of_sql() returns int language sql as 'select a from nowhere';
  reset check_function_bodies;`

describe('basalt db lint', () => {
  let basalt, is_thorough
  before(async () => {
    basalt = await Basalt.start()
    mkdirSync(path.join(basalt.root, 'supabase'))
    writeFileSync(path.join(basalt.root, 'supabase/config.toml'), 'project_id = "lint"\n')
    await basalt.sql(FUNCTIONS)
    const available = await basalt.sql(`select from pg_available_extensions where name = 'plpgsql_check'`)
    is_thorough = available.length > 0
  })
  after(() => basalt?.destroy())

  const lint = (...flags) => {
    const done = basalt.run(['db', 'lint', '-o', 'json', ...flags])
    assert.equal(done.status, 0, done.stderr)
    return JSON.parse(done.stdout)
  }
  const shown = (findings) =>
    findings.flatMap(({ function: name, issues }) => issues.map(({ level, sqlState }) => `${name} ${level} ${sqlState}`)).sort()

  test('finds what Postgres itself knows', () => {
    const found = shown(lint())
    for (const wrong of ['public.of_sql error 42P01', 'public.syntax error 42601']) assert.ok(found.includes(wrong), found)
    assert.ok(found.some((line) => line.startsWith('public.shadowed warning')), found)
    assert.ok(!found.some((line) => line.startsWith('public.sound')), found)
  })

  test('finds what plpgsql_check knows', (t) => {
    if (!is_thorough) return t.skip('plpgsql_check is not installed')
    const found = shown(lint())
    const wrong = ['other.missing error 42P01', 'public.missing error 42P01', 'public.trigger_of_things error 42703']
    for (const line of wrong) assert.ok(found.includes(line), found)
  })

  test('leaves out what is not asked for', () => {
    assert.ok(lint('--level', 'error').every(({ issues }) => issues.every(({ level }) => level === 'error')))
    assert.ok(lint('--schema', 'other,auth').every(({ function: name }) => /^(other|auth)\./.test(name)))
    assert.deepEqual(lint('--schema', 'nothing'), [])
  })

  test('ends as a pipeline wants it', () => {
    assert.equal(basalt.run(['db', 'lint', '--fail-on', 'error']).status, 1)
    assert.equal(basalt.run(['db', 'lint', '--fail-on', 'warning', '--schema', 'nothing']).status, 0)
    const pretty = basalt.run(['db', 'lint'])
    assert.equal(pretty.status, 0)
    assert.match(pretty.stdout, /public\.syntax\n {2}error: .*selec/)
  })

  test('leaves nothing behind', async () => {
    await basalt.sql('alter table public.things add column more int')
    lint()
    assert.deepEqual(await basalt.sql(`select from pg_extension where extname = 'plpgsql_check'`), [])
    assert.equal(basalt.run(['db', 'reset', '--yes', '--project', basalt.root]).status, 0)
    await basalt.sql(`drop schema if exists other cascade; ${FUNCTIONS}`)
  })

  test('a function that is planned gains nothing', async () => {
    await basalt.sql(`
      create function public.grab() returns int language plpgsql immutable as
        'begin execute ''reset role''; perform set_config(''role'', ''supabase_admin'', false); return 1; end';
      create function public.bait() returns int language plpgsql as 'declare x int; begin x := public.grab(); return x; end'`)
    basalt.run(['db', 'lint'])
    const [{ owner }] = await basalt.sql(`select rolsuper as owner from pg_roles where rolname = 'postgres'`)
    assert.equal(owner, false)
    await basalt.sql('drop function public.bait(); drop function public.grab()')
  })

  test('finds what upstream finds', async (t) => {
    if (!is_thorough || !SUPABASE) return t.skip('plpgsql_check or the Supabase command line is missing')
    // Its role may not create the extension, here or on a plain Postgres.
    const socket = new pg.Client({
      host: path.join(basalt.dataDir, 'run'), port: basalt.dbPort, user: 'supabase_admin', database: 'postgres',
    })
    await socket.connect()
    await socket.query('create extension plpgsql_check schema extensions')
    try {
      const upstream = spawnSync(SUPABASE, ['db', 'lint', `--remote=${basalt.keys.DB_URL}`, '--yes'], {
        cwd: basalt.root, encoding: 'utf8', input: '', timeout: 60_000,
        env: cleanEnvironment({ SUPABASE_TELEMETRY_DISABLED: '1', HOME: basalt.root }),
      })
      // Triggers on their tables and functions in SQL are ours alone.
      const ours = lint().filter(({ function: name }) => !/trigger_of_things|of_sql/.test(name))
      const byName = (a, b) => (a.function < b.function ? -1 : 1)
      assert.deepEqual(ours.sort(byName), JSON.parse(upstream.stdout).sort(byName))
    } finally {
      await socket.query('drop extension plpgsql_check')
      await socket.end()
    }
  })
})
