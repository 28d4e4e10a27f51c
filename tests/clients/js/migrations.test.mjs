// `basalt db`: a project folder's migrations and seeds, with the meaning they have to the Supabase command line.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, PASSWORD } from './client.mjs'
import { Basalt } from './harness.mjs'

describe('basalt db', () => {
  let basalt, project

  before(async () => {
    basalt = await Basalt.start()
    project = path.join(basalt.root, 'project')
  })
  after(() => basalt?.destroy())

  beforeEach(() => {
    rmSync(project, { recursive: true, force: true })
    write('migrations/20240101000000_todos.sql', `
      -- What is to be done; a semicolon; another.
      create table public.todos (id int generated always as identity primary key, task text not null);
      alter table public.todos enable row level security;
      create policy everybody on public.todos for select using (true);
      create function public.count_todos() returns bigint language sql begin atomic
        select count(*) from public.todos;
      end;`)
    write('seed.sql', `insert into public.todos (task) values ('first; of all'), ('second');`)
    assert.equal(attempt(['reset', '--yes']).status, 0)
  })

  const write = (file, text) => {
    const full = path.join(project, 'supabase', file)
    mkdirSync(path.dirname(full), { recursive: true })
    writeFileSync(full, text)
  }
  const attempt = (words, input) => basalt.run(['db', ...words, '--project', project], input)
  const run = (words, input) => {
    const done = attempt(words, input)
    assert.equal(done.status, 0, done.stderr)
    return done.stdout
  }
  const history = () => basalt.sql('select version, name, statements from supabase_migrations.schema_migrations order by 1')
  const listed = () => JSON.parse(run(['list', '-o', 'json'])).map(({ version, local, remote }) => [version, local, remote])

  test('a reset begins anew, with migrations and seeds', async () => {
    const [row] = await history()
    assert.deepEqual([row.version, row.name, row.statements.length], ['20240101000000', 'todos', 4])
    assert.match(row.statements[0], /^-- What is to be done; a semicolon; another\.\n\s+create table .*\)$/)
    assert.match(row.statements[3], /end$/)
    const client = createClient(basalt.url, basalt.keys.ANON_KEY)
    // Between the old table and the new one the data API may know of none.
    const tasks = async () => {
      const deadline = Date.now() + 10_000
      for (;;) {
        const { data } = await client.from('todos').select('task')
        if (data?.length || Date.now() > deadline) return data
        await sleep(50)
      }
    }
    assert.deepEqual(await tasks(), [{ task: 'first; of all' }, { task: 'second' }])
    assert.equal((await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })).error, null)

    // What people made meanwhile goes, what is the platform's stays.
    await basalt.sql(`
      create schema mine; create table mine.t (); create type public.colour as enum ('red');
      create function public.hello() returns trigger language plpgsql as 'begin return new; end';
      create trigger hello after insert on auth.users for each row execute function public.hello();
      create publication other for table public.todos; create extension if not exists citext;`)
    run(['reset', '--yes'])
    const [left] = await basalt.sql(`
      select to_regnamespace('mine') is null and to_regtype('public.colour') is null
         and to_regprocedure('public.hello()') is null
         and not exists (select from pg_publication where pubname = 'other')
         and not exists (select from pg_extension where extname = 'citext')
         and not exists (select from auth.users) as clean,
         exists (select from auth.schema_migrations) as kept`)
    assert.deepEqual(left, { clean: true, kept: true })
    assert.equal((await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })).error, null)
    assert.equal((await tasks()).length, 2)
  })

  test('nothing is destroyed unasked', () => {
    const done = attempt(['reset'])
    assert.equal(done.status, 1)
    assert.match(done.stderr, /--yes/)
    assert.equal(attempt(['down']).status, 1)
  })

  test('what is new is applied, in order, once', async () => {
    assert.deepEqual(listed(), [['20240101000000', true, true]])
    write('migrations/20240103000000_third.sql', 'alter table public.todos add column done bool;')
    write('migrations/20240102000000_second.sql', 'create index concurrently on public.todos (task)')
    assert.match(run(['push', '--dry-run']), /second\n.*third\n$/)
    assert.deepEqual(listed().map((row) => row[2]), [true, false, false])
    assert.match(run(['push']), /second\n.*third\n$/)
    assert.match(run(['push']), /nothing is pending/)
    assert.match(run(['list']), /20240103000000 {2}applied {2}third/)
    write('migrations/20240102120000_late.sql', 'select 1')
    const late = attempt(['up'])
    assert.equal(late.status, 1)
    assert.match(late.stderr, /--include-all/)
    run(['up', '--include-all'])
    assert.equal((await history()).length, 4)
  })

  test('a migration that fails leaves nothing', async () => {
    write('migrations/20240102000000_wrong.sql', 'create table public.half (); select 1/0; create table public.rest ()')
    const failed = attempt(['up'])
    assert.equal(failed.status, 1)
    assert.match(failed.stderr, /division by zero[\s\S]*at statement 2 of 20240102000000_wrong.sql:\nselect 1\/0/)
    assert.equal((await history()).length, 1)
    assert.deepEqual(await basalt.sql(`select to_regclass('public.half') as half`), [{ half: null }])
  })

  test('down leaves out the last migrations', async () => {
    write('migrations/20240102000000_second.sql', 'create table public.second ()')
    run(['up'])
    run(['down', '--last', '1', '--yes'])
    assert.deepEqual(listed(), [['20240101000000', true, true], ['20240102000000', true, false]])
    assert.deepEqual(await basalt.sql(`select to_regclass('public.second') as second`), [{ second: null }])
    assert.equal(attempt(['down', '--last', '7', '--yes']).status, 1)
  })

  test('the history is repaired without running anything', async () => {
    write('migrations/20240102000000_second.sql', 'select 1/0')
    run(['repair', '20240102000000', '--status', 'applied'])
    assert.deepEqual((await history()).map((row) => row.version), ['20240101000000', '20240102000000'])
    run(['repair', '20240102000000', '--status', 'reverted'])
    await basalt.sql(`insert into supabase_migrations.schema_migrations (version) values ('20230101000000')`)
    const unknown = attempt(['up'])
    assert.equal(unknown.status, 1)
    assert.match(unknown.stderr, /repair --status reverted 20230101000000/)
    run(['repair', '--status', 'applied'])
    assert.deepEqual((await history()).map((row) => row.version), ['20240101000000', '20240102000000'])
  })

  test('a seed runs once', async () => {
    write('seed.sql', `insert into public.todos (task) values ('third');`)
    const again = attempt(['seed'])
    assert.match(again.stderr, /has changed/)
    assert.equal(attempt(['seed']).stderr, '')
    write('seeds/more.sql', `insert into public.todos (task) values ('fourth');`)
    write('config.toml', `[db.seed]\nsql_paths = ['./seed.sql', './seeds/*.sql']\n`)
    assert.match(run(['seed']), /seeded supabase\/seeds\/more.sql/)
    assert.deepEqual(await basalt.sql('select count(*)::int from public.todos'), [{ count: 3 }])
  })

  test('secrets of the settings come with migrations', async () => {
    write('config.toml', `[db.vault]\nshop = "from the file"\n`)
    write('migrations/20240102000000_second.sql', 'select 1')
    run(['push'])
    const [row] = await basalt.sql(`select decrypted_secret from vault.decrypted_secrets where name = 'shop'`)
    assert.deepEqual(row, { decrypted_secret: 'from the file' })
  })

  test('a new migration has a name and a moment', () => {
    const made = run(['new', 'add_things'], 'create table public.things ();').trim()
    assert.match(made, /supabase\/migrations\/20\d{12}_add_things\.sql$/)
    assert.equal(readFileSync(made, 'utf8'), 'create table public.things ();')
    assert.match(run(['up']), /add_things/)
    assert.equal(attempt(['new', 'a/b'], '').status, 1)
  })
})
