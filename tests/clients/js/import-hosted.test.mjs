// `basalt import` from what hosted projects look like: through a pooler in session mode, as a role that is no superuser,
// beside schemas, roles and triggers of a platform that is not here, and with what projects have put into its schemas.
// BASALT_TEST_SOURCE_BIN names the binaries of another Postgres for the source, and BASALT_TEST_PG_DUMP its pg_dump.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { isInstalled, PgBouncer } from '../../apps/pooler/pgbouncer.mjs'
import { createClient } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

const JWT_SECRET = 'the secret of a hosted project, long enough for anybody'
const REF = 'abcdefghijklmnopqrst'
const { BASALT_TEST_SOURCE_BIN: SOURCE_BIN, BASALT_TEST_PG_DUMP: PG_DUMP } = process.env

describe('import of a hosted project', { timeout: 300_000 }, () => {
  let live, basalt, bouncer, lost

  before(async () => {
    const source = SOURCE_BIN ? { BASALT_DATABASE__BIN_DIR: SOURCE_BIN } : {}
    ;[live, basalt] = await Promise.all([Basalt.start({ env: { JWT_SECRET, ...source } }), Basalt.start()])
    lost = await furnish(live)
    const [{ server_version: version }] = await live.sql('show server_version')
    console.log(`# source: Postgres ${version}`)
    if (isInstalled()) {
      const { password } = new URL(live.keys.DB_URL)
      bouncer = await PgBouncer.start({ dbPort: live.dbPort, user: 'postgres', password, connections: 5, mode: process.env.BASALT_TEST_POOL_MODE ?? 'session' })
    }
  })
  after(async () => {
    await bouncer?.stop()
    await Promise.all([live?.destroy(), basalt?.destroy()])
  })

  const sourceUrl = () =>
    (bouncer ? `postgresql://postgres.${REF}:any@127.0.0.1:${bouncer.port}/postgres` : live.keys.DB_URL)
  const run = async (words = [], until = null, env = {}) => {
    const dump = PG_DUMP && !words.includes('--pg-dump') ? ['--pg-dump', PG_DUMP] : []
    const child = spawn(basaltBinary(), ['import', '--verbose', '-o', 'json', ...words, ...dump, '--data-dir', basalt.dataDir], {
      cwd: basalt.root,
      env: cleanEnvironment({
        ...basalt.env,
        BASALT_IMPORT_DATABASE_URL: sourceUrl(),
        BASALT_IMPORT_SERVICE_KEY: live.keys.SERVICE_ROLE_KEY,
        ...env,
      }),
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => { out += chunk })
    child.stderr.on('data', (chunk) => {
      err += chunk
      if (until?.test(err)) child.kill('SIGKILL')
    })
    const [status] = await once(child, 'close')
    return { status, err, ...(out ? JSON.parse(out) : {}) }
  }
  const withFiles = () => ['--api-url', live.url]

  test('an older pg_dump is refused with what to do', async () => {
    const old = path.join(basalt.root, 'pg_dump')
    writeFileSync(old, '#!/bin/sh\necho "pg_dump (PostgreSQL) 12.22"\n', { mode: 0o755 })
    const { status, err } = await run(['--dry-run', '--pg-dump', old])
    assert.equal(status, 1)
    assert.match(err, /pg_dump here is of 12/)
    assert.match(err, /postgresql-client-\d+.*--pg-dump/s)
  })

  test('the password of the source is no argument of a program', async () => {
    const { status, err } = await run(['--dry-run'], null, { BASALT_IMPORT_DATABASE_URL: 'host=127.0.0.1 user=postgres password=shown' })
    assert.equal(status, 1)
    assert.doesNotMatch(err, /shown/)
  })

  test('an installation that holds tables in any schema is in use', async () => {
    await basalt.sql('create schema own; create table own.kept (id int)')
    const { status, err } = await run(withFiles())
    assert.equal(status, 1)
    assert.match(err, /is in use/)
    assert.equal((await basalt.sql('select count(*)::int as n from own.kept'))[0].n, 0)
    await basalt.sql('drop schema own cascade')
  })

  test('while rows are there and policies not yet, nobody sees them', async () => {
    await run(withFiles(), /indexes, constraints/)
    const [{ n }] = await basalt.sql('select count(*)::int as n from public.orders')
    assert.equal(n, 3)
    await basalt.sql(`notify pgrst, 'reload schema'`)
    await basalt.untilKnown('/rest/v1/orders?limit=0')
    const { data } = await createClient(basalt.url, basalt.keys.ANON_KEY).from('orders').select()
    assert.deepEqual(data, [])
  })

  test('it comes whole, and what has no place here is said', async () => {
    const { status, err, equal, report } = await run(withFiles())
    assert.equal(status, 0, err + JSON.stringify(report))
    assert.equal(equal, true)
    for (const note of [
      /trigger notify on public\.orders.*supabase_functions\.http_request/,
      /job of pg_cron.*select 1/,
      /foreign table public\.elsewhere/,
      /event trigger own_event/,
      /role supabase_privileged_role is here by name only/,
      /role worker has no password/,
      /setting app\.own of the database/,
      /1 large objects/,
      /auth\.users\.newer has no place here: 1 rows/,
      /auth\.future has no place here: 3 rows/,
    ]) {
      assert.ok(report.notes.some((text) => note.test(text)), `${note}: ${report.notes.join('\n')}`)
    }
    assert.ok(!report.notes.some((text) => text.includes('a secret')))
    assert.deepEqual(report.objects.lost, [lost])
    assert.deepEqual(report.objects.failed, [])
    assert.equal(report.objects.here, report.objects.there - 1)
    // Limits that are younger than files are in force again.
    const [bucket] = await basalt.sql(`select file_size_limit::int, allowed_mime_types from storage.buckets where id = 'pages'`)
    assert.deepEqual(bucket, { file_size_limit: 10, allowed_mime_types: ['image/png'] })
  })

  test('triggers on files do not fire for files that come, and are what they were', async () => {
    assert.equal((await basalt.sql('select count(*)::int as n from public.uploads'))[0].n, (await live.sql('select count(*)::int as n from public.uploads'))[0].n)
    const state = async (side) => side.sql(`select tgname, tgenabled from pg_trigger
      where tgrelid in ('auth.users'::regclass, 'storage.objects'::regclass) and tgname like 'own_%' order by 1`)
    assert.deepEqual(await state(basalt), await state(live))
    assert.deepEqual((await state(basalt)).map(({ tgenabled }) => tgenabled), ['D', 'O'])
  })

  test('functions of the project in schemas of the platform come with their rights', async () => {
    const [row] = await basalt.sql(`select auth.level('good'::public.grade) as level, auth.tenant() as tenant,
      has_function_privilege('anon', 'auth.tenant()', 'execute') as anon,
      has_function_privilege('authenticated', 'auth.tenant()', 'execute') as authenticated`)
    assert.deepEqual(row, { level: 2, tenant: 'nobody', anon: false, authenticated: true })
    const [own] = await basalt.sql(`select proowner::regrole::text as owner from pg_proc where oid = 'auth.uid()'::regprocedure`)
    assert.equal(own.owner, 'supabase_auth_admin')
    // What looks like a statement in a body stays what it was.
    const [body] = await basalt.sql(`select prosrc from pg_proc where proname = 'make_schema'`)
    assert.match(body.prosrc, /^CREATE SCHEMA made;$/m)
  })

  test('sessions that ended long ago stay there; sequences go on', async () => {
    const count = async (side) => (await side.sql('select count(*)::int as n from auth.refresh_tokens'))[0].n
    assert.equal(await count(live) - await count(basalt), 1)
    const [{ ok }] = await basalt.sql(`select last_value >= (select max(id) from auth.refresh_tokens) as ok from auth.refresh_tokens_id_seq`)
    assert.equal(ok, true)
  })

  test('what went away there goes away here; another schema begins anew', async () => {
    await live.sql(`drop policy pages on storage.objects; drop trigger own_log on storage.objects;
      alter publication supabase_realtime drop table public.uploads; alter table public.orders add column more int default 1`)
    const again = await run(withFiles())
    assert.equal(again.status, 0, again.err)
    const [{ policies, triggers, published, history }] = await basalt.sql(`select
      (select count(*)::int from pg_policies where schemaname = 'storage') as policies,
      (select count(*)::int from pg_trigger where tgname = 'own_log') as triggers,
      (select count(*)::int from pg_publication_tables where tablename = 'uploads') as published,
      (select count(*)::int from supabase_migrations.schema_migrations) as history`)
    assert.deepEqual({ policies, triggers, published, history }, { policies: 0, triggers: 0, published: 0, history: 2 })
    assert.equal((await basalt.sql('select sum(more)::int as n from public.orders'))[0].n, 3)
  })

  test('a cut-over without the files has to be meant', async () => {
    const { BASALT_IMPORT_SERVICE_KEY: _, ...none } = process.env
    const refused = await run(['--cut-over'], null, none)
    assert.equal(refused.status, 1)
    assert.match(refused.err, /--without-files/)
    const done = await run(['--cut-over', '--without-files', '--without-secrets'])
    assert.equal(done.status, 0, done.err)
    assert.equal(done.report.objects, null)
    assert.equal(done.report.secrets, null)
    assert.match((await run(withFiles())).err, /was cut over/)
  })
})

// Makes a server look like a hosted project. Returns a file that its storage has lost.
async function furnish(live) {
  const socket = path.join(live.dataDir, 'run')
  const admin = new pg.Client({ connectionString: `postgresql://supabase_admin@/postgres?host=${encodeURIComponent(socket)}&port=${live.dbPort}` })
  await admin.connect()
  await admin.query(`
    create schema pgbouncer; create schema graphql; create schema net; create schema supabase_functions;
    create function pgbouncer.get_auth(text) returns text language sql as $$ select $1 $$; revoke all on function pgbouncer.get_auth from public;
    create table supabase_functions.migrations (version text);
    create function supabase_functions.http_request() returns trigger language plpgsql as $$ begin return new; end $$;
    grant usage on schema supabase_functions to postgres;
    create schema cron; create table cron.job (jobid int, schedule text, command text, username text);
    insert into cron.job values (1, '* * * * *', 'select 1', 'postgres'); alter table cron.job enable row level security;
    create policy own on cron.job using (username = current_user); grant usage on schema cron to postgres; grant select on cron.job to postgres;
    create role supabase_privileged_role; create role cli_login_postgres login;
    create function extensions.on_event() returns event_trigger language plpgsql as $$ begin end $$;
    create event trigger issue_pg_cron_access on ddl_command_end execute function extensions.on_event();
    create event trigger own_event on ddl_command_end execute function extensions.on_event();
    alter table auth.users add column newer text; create table auth.future (id int); insert into auth.future values (1), (2), (3);
    create extension postgres_fdw schema extensions; create server far foreign data wrapper postgres_fdw;
    create foreign table public.elsewhere (id int) server far; alter foreign table public.elsewhere owner to postgres;
    grant all on auth.users, auth.future to postgres;
    alter database postgres set app.own = 'a secret'; select lo_create(0)`)
  const { data } = await createClient(live.url, live.keys.ANON_KEY).auth.signUp({ email: 'ada@example.com', password: 'correct horse' })
  await admin.query(`update auth.users set newer = 'x'`)
  await admin.query(`insert into auth.refresh_tokens (instance_id, token, user_id, session_id, revoked, created_at, updated_at)
    select '00000000-0000-0000-0000-000000000000', t, $1, id, t = 'old', now() - interval '3 days', now() - interval '3 days'
      from auth.sessions, unnest(array['old', 'good']) t`, [data.user.id])
  await admin.end()
  await live.sql(`
    create schema supabase_migrations; create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
    insert into supabase_migrations.schema_migrations values ('1', '{a}', 'a'), ('2', '{b}', 'b');
    create type public.grade as enum ('bad', 'good');
    create function auth.tenant() returns text language sql stable as $$ select coalesce(auth.jwt() ->> 'tenant', 'nobody') $$;
    revoke all on function auth.tenant() from public; grant execute on function auth.tenant() to authenticated;
    create function auth.level(of public.grade) returns int language sql immutable as $$ select case of when 'good' then 2 else 1 end $$;
    create table public.orders (id int primary key, tenant text default auth.tenant(), grade public.grade);
    insert into public.orders select g, 'a', 'good' from generate_series(1, 3) g;
    alter table public.orders enable row level security;
    create policy tenants on public.orders for select to authenticated using (tenant = auth.tenant() and auth.level(grade) > 1);
    create index on public.orders (auth.level(grade));
    create trigger notify after insert on public.orders for each row
      execute function supabase_functions.http_request('https://example.com/a;b', 'POST', '{}', '{}', '1000');
    alter table public.orders disable trigger notify; comment on trigger notify on public.orders is 'a webhook';
    create function public.make_schema() returns void language plpgsql as $$
begin
CREATE SCHEMA made;
end $$;
    create table public.uploads (id bigserial primary key, name text);
    create function public.log_upload() returns trigger language plpgsql security definer set search_path = '' as
      $$ begin insert into public.uploads (name) values (new.name); return new; end $$;
    create trigger own_log after insert or update on storage.objects for each row execute function public.log_upload();
    create trigger own_idle after insert on auth.users for each row execute function public.log_upload();
    create policy pages on storage.objects for select to authenticated using (bucket_id = 'pages');
    alter publication supabase_realtime add table public.uploads, public.orders;
    create role worker login; grant worker to authenticator; grant select on public.orders to worker, supabase_privileged_role, cli_login_postgres;
    select vault.create_secret('a secret', 'one')`)
  const superuser = new pg.Client({ connectionString: `postgresql://supabase_admin@/postgres?host=${encodeURIComponent(socket)}&port=${live.dbPort}` })
  await superuser.connect()
  await superuser.query('alter table auth.users disable trigger own_idle')
  const { storage } = createClient(live.url, live.keys.SERVICE_ROLE_KEY)
  assert.ifError((await storage.createBucket('pages', { public: true })).error)
  for (const name of ['a.html', 'deep/b.html', 'lost.html', 'old.html']) {
    assert.ifError((await storage.from('pages').upload(name, `<p>${name} is longer than its bucket admits</p>`, { contentType: 'text/html' })).error)
  }
  await superuser.query(`update storage.buckets set file_size_limit = 10, allowed_mime_types = '{image/png}' where id = 'pages'`)
  await superuser.query(`set session_replication_role = replica; update storage.objects set metadata = null where name = 'old.html'`)
  await superuser.end()
  const files = readdirSync(path.join(live.dataDir, 'storage'), { recursive: true })
  for (const file of files.filter((name) => name.includes('lost.html'))) rmSync(path.join(live.dataDir, 'storage', file), { recursive: true, force: true })
  return 'pages/lost.html'
}
