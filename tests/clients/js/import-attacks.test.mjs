// `basalt import` from a source that is not what it says: names that want to leave their quotes, files that want to be something
// else, roles that want more, rows that come too late; through a pooler that shares connections, and over TLS alone.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { isInstalled, PgBouncer } from '../../apps/pooler/pgbouncer.mjs'
import { createClient } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment, temporaryDirectory } from './harness.mjs'

const EVIL = `a"; drop table public.kept; --\n' \\ $x$ ; select 1`
const PASSWORD = 'sl/ash?and:more'

describe('import from a source that lies', { timeout: 300_000 }, () => {
  let live, basalt, certificates, api, stranger, fakeDump

  before(async () => {
    certificates = temporaryDirectory('basalt-certificates-')
    const [certificate, key] = certify(certificates)
    ;[live, basalt] = await Promise.all([
      Basalt.start({ env: { BASALT_DATABASE__TLS: 'required', BASALT_DATABASE__TLS_CERTIFICATE_FILE: certificate, BASALT_DATABASE__TLS_KEY_FILE: key } }),
      Basalt.start(),
    ])
    await furnish(live)
    stranger = await serve((request, response) => response.end('from elsewhere'))
    api = await serve((request, response) => lie(live, stranger, request, response))
    // Notes what it is called with, and does its work.
    fakeDump = path.join(basalt.root, 'pg_dump')
    const real = path.join(execFileSync('pg_config', ['--bindir'], { encoding: 'utf8' }).trim(), 'pg_dump')
    writeFileSync(fakeDump, `#!/bin/sh\nprintf '%s\\n' "$@" >> ${basalt.root}/arguments\nexec ${real} "$@"\n`, { mode: 0o755 })
  })
  after(async () => {
    for (const server of [api, stranger]) {
      server?.closeAllConnections()
      server?.close()
    }
    await Promise.all([live?.destroy(), basalt?.destroy()])
    if (certificates) rmSync(certificates, { recursive: true, force: true })
  })

  const url = (query, host = 'localhost', port = live.dbPort, user = 'postgres') => `postgresql://${user}:${PASSWORD}@${host}:${port}/postgres?${query}`
  const run = async (words = [], { source = url('sslmode=require'), onProgress = () => {}, files = false } = {}) => {
    const child = spawn(basaltBinary(), ['import', '--verbose', '-o', 'json', ...words, '--data-dir', basalt.dataDir], {
      cwd: basalt.root,
      env: cleanEnvironment({
        ...basalt.env,
        PGHOST: 'nowhere.invalid', PGHOSTADDR: '192.0.2.1', PGSSLMODE: 'disable', // of other programs
        BASALT_IMPORT_DATABASE_URL: source,
        ...(files ? { BASALT_IMPORT_SERVICE_KEY: live.keys.SERVICE_ROLE_KEY, BASALT_IMPORT_API_URL: api.url } : {}),
      }),
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => { out += chunk })
    child.stderr.on('data', (chunk) => { onProgress(err += chunk) })
    const [status] = await once(child, 'close')
    for (const text of [out, err]) {
      for (const secret of [PASSWORD, live.keys.SERVICE_ROLE_KEY, basalt.keys.SECRET_KEY]) assert.ok(!text.includes(secret), text)
    }
    return { status, err, ...(out ? JSON.parse(out) : {}) }
  }

  test('a source that speaks TLS alone is read, and who answers is asked when that was said', async () => {
    const authority = path.join(certificates, 'ca.pem')
    const other = path.join(certificates, 'other.pem')
    for (const [query, host, status, why] of [
      ['sslmode=require', 'localhost', 0, /./],
      [`sslmode=verify-full&sslrootcert=${authority}`, 'localhost', 0, /./],
      ['sslmode=disable', 'localhost', 1, /pg_hba|encryption/],
      ['sslmode=verify-full', 'localhost', 1, /certificate/],
      ['sslrootcert=system', 'localhost', 1, /certificate/],
      [`sslmode=require&sslrootcert=${other}`, 'localhost', 1, /certificate/],
      [`sslmode=verify-full&sslrootcert=${authority}`, '127.0.0.1', 1, /certificate/],
      [`sslmode=verify-full&sslrootcert=${certificates}/none.pem`, 'localhost', 1, /none\.pem/],
    ]) {
      const done = await run(['--dry-run'], { source: url(query, host) })
      assert.equal(done.status, status, `${query} ${host}: ${done.err}`)
      assert.match(done.err, why, query)
    }
  })

  test('a pooler that shares connections is refused before anything is set there', { skip: !isInstalled() && 'no pgbouncer' }, async () => {
    const at = async (mode, user) => {
      const bouncer = await PgBouncer.start({ dbPort: live.dbPort, user: 'postgres', password: PASSWORD, connections: 3, mode })
      try {
        const done = await run(['--dry-run'], { source: url('', '127.0.0.1', bouncer.port, user) })
        const client = new pg.Client({ host: '127.0.0.1', port: bouncer.port, user, password: PASSWORD, database: 'postgres' })
        await client.connect()
        const { rows } = await client.query('show search_path')
        await client.end()
        return { ...done, path: rows[0].search_path }
      } finally {
        await bouncer.stop()
      }
    }
    const shared = await at('transaction', 'postgres.abcdefghijklmnopqrst')
    assert.equal(shared.status, 1)
    assert.match(shared.err, /pooler in transaction mode.*5432/s)
    assert.match(shared.path, /public/)
    const own = await at('session', 'postgres.abcdefghijklmnopqrst')
    assert.equal(own.status, 0, own.err)
  })

  test('names stay names, and no argument of a program is a secret', async () => {
    const done = await run(['--pg-dump', fakeDump])
    assert.equal(done.status, 0, done.err + JSON.stringify(done.report))
    const side = async (basalt) => basalt.sql(`
      select 'table' as kind, relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
      union all select 'column', attname from pg_attribute where attrelid = to_regclass('public.' || quote_ident($1)) and attnum > 0
      union all select 'policy', policyname || array_to_string(roles, ',') from pg_policies where policyname = $1 and schemaname <> 'storage'
      union all select 'trigger', tgname from pg_trigger where tgname = $1
      union all select 'function', proname from pg_proc where proname = $1
      union all select 'schema', nspname from pg_namespace where nspname = $1
      union all select 'role', rolname from pg_roles where rolname = $1
      union all select 'bucket', id from storage.buckets
      union all select 'published', tablename || array_to_string(attnames, ',') || coalesce(rowfilter, '') from pg_publication_tables where pubname = 'supabase_realtime'
      order by 1, 2`, [EVIL])
    const [there, here] = [await side(live), await side(basalt)]
    assert.deepEqual(here, there)
    for (const kind of ['column', 'policy', 'trigger', 'function', 'schema', 'role', 'bucket', 'published']) {
      assert.ok(there.some((row) => row.kind === kind), kind)
    }
    const seen = readFileSync(path.join(basalt.root, 'arguments'), 'utf8')
    assert.match(seen, /--section=pre-data/)
    assert.ok(!seen.includes('sl/ash') && !seen.includes('localhost'), seen)
  })

  test('no role gets a right over the machine; what cannot be here is said and stops nothing', async () => {
    const { notes } = (await run()).report
    for (const note of [
      /role worker is no member of pg_read_server_files/,
      /trigger hook on auth\.users was not taken over: supabase_functions\.http_request is not here/,
      /policy strangers on storage\.objects was not taken over: its roles are not here/,
      /storage\.iceberg_things has no place here: 2 rows/,
    ]) assert.ok(notes.some((text) => note.test(text)), `${note}: ${notes.join('\n')}`)
    const [row] = await basalt.sql(`select pg_has_role('worker', 'pg_read_server_files', 'member') as files, pg_has_role('worker', 'pg_monitor', 'member') as monitor`)
    assert.deepEqual(row, { files: false, monitor: true })
    const [{ acl }] = await basalt.sql(`select array_to_string(proacl, ' ') as acl from pg_proc where oid = 'auth.mine()'::regprocedure`)
    assert.match(acl, /anon=X/)
  })

  test('a file is a file of its own name, whole, and as its row says; else it is told which is not', async () => {
    const done = await run(['--cut-over'], { files: true })
    assert.equal(done.status, 1)
    assert.match(done.err, /not equal/)
    const { objects } = done.report
    const told = (name) => objects.failed.find((text) => text.startsWith(`pages/${name}: `))
    assert.match(told('../../../auth/v1/admin/users'), /no URL can name it/)
    assert.match(told('redirect.html'), /302/)
    assert.match(told('tampered.html'), /MD5/)
    assert.match(told('longer.html'), /its row at the source speaks of \d+ bytes/)
    assert.ok(told('short.html'))
    assert.equal(objects.failures, 5)
    assert.equal(objects.here, objects.there - 5)
    assert.equal(stranger.asked, 0)
    assert.equal((await basalt.sql(`select count(*)::int as n from auth.users where email = 'mallory@example.com'`))[0].n, 0)
    assert.deepEqual((await basalt.sql(`select name from storage.objects where name like '%..%'`)), [])
  })

  test('rows that come while it is copied are not lost at the cut-over', async () => {
    await live.connected((client) => client.query(`set session_replication_role = replica; delete from storage.objects`))
    // The run has looked at the source, and waits for this.
    const holder = new pg.Client({ connectionString: basalt.keys.DB_URL })
    await holder.connect()
    await holder.query('begin; lock table public.kept in access exclusive mode')
    let late
    const onProgress = (err) => {
      if (late || !/"public"\."kept"/.test(err)) return
      late = live.sql(`insert into public.kept values (77)`).then(() => holder.query('commit'))
    }
    const first = await run(['--cut-over'], { files: true, onProgress })
    await late
    await holder.end()
    assert.equal(first.status, 1, JSON.stringify(first.report))
    const kept = first.report.tables.find(({ table }) => table === 'public.kept')
    assert.deepEqual([kept.equal, kept.rows_there - kept.rows_here], [false, 1])
    const again = await run(['--cut-over'], { files: true })
    assert.equal(again.status, 0, again.err + JSON.stringify(again.report))
    assert.deepEqual(await basalt.sql('select * from public.kept where id = 77'), [{ id: 77 }])
    assert.match((await run()).err, /was cut over/)
  })
})

// A certificate for localhost by an authority of its own, and another authority.
function certify(directory) {
  const openssl = (...words) => execFileSync('openssl', words, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  const authority = (name) => openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=${name}`)
  authority('ca')
  authority('other')
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost')
  writeFileSync(path.join(directory, 'names'), 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n')
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2', '-extfile', 'names')
  return ['server.pem', 'server.key'].map((name) => path.join(directory, name))
}

async function serve(handler) {
  const server = http.createServer((request, response) => {
    server.asked += 1
    handler(request, response)
  })
  server.asked = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.url = `http://127.0.0.1:${server.address().port}`
  return server
}

// The storage API of the source, but for some files.
async function lie(live, stranger, request, response) {
  const name = request.url.split('/').at(-1)
  if (name === 'redirect.html') return response.writeHead(302, { location: `${stranger.url}/x` }).end()
  if (name === 'short.html') {
    response.writeHead(200, { 'content-length': '1000' }).write('too short')
    return setImmediate(() => response.destroy())
  }
  const asked = await fetch(live.url + request.url, { headers: { apikey: request.headers.apikey, authorization: request.headers.authorization } })
  const body = Buffer.from(await asked.arrayBuffer())
  const sent = name === 'longer.html' ? Buffer.concat([body, body]) : name === 'tampered.html' ? Buffer.alloc(body.length, 'x') : body
  response.writeHead(asked.status, { 'content-type': asked.headers.get('content-type') ?? 'text/plain' }).end(sent)
}

async function furnish(live) {
  const socket = path.join(live.dataDir, 'run')
  const admin = new pg.Client({ connectionString: `postgresql://supabase_admin@/postgres?host=${encodeURIComponent(socket)}&port=${live.dbPort}` })
  await admin.connect()
  await admin.query(`alter role postgres password '${PASSWORD}'`)
  live.keys.DB_URL = `postgresql://postgres:${encodeURIComponent(PASSWORD)}@localhost:${live.dbPort}/postgres?sslmode=no-verify`
  const evil = pg.escapeIdentifier(EVIL)
  await live.sql(`
    create table public.kept (id int primary key); insert into public.kept select generate_series(1, 3);
    create role ${evil} nologin; create schema ${evil};
    create function ${evil}.${evil}() returns trigger language plpgsql as $f$ begin return new; end $f$;
    create function auth.${evil}() returns text language sql as $f$ select 'x' $f$;
    create table public.${evil} (id int primary key, ${evil} text, hidden text);
    insert into public.${evil} values (1, 'x', 'y'); alter table public.${evil} enable row level security;
    create policy ${evil} on public.${evil} for select to ${evil}, anon using (${evil} = 'x');
    create trigger ${evil} before insert on public.${evil} for each row execute function ${evil}.${evil}();
    create trigger ${evil} after insert on auth.users for each row execute function ${evil}.${evil}();
    create policy ${evil} on storage.objects for select to ${evil} using (name <> ${pg.escapeLiteral(EVIL)});
    alter publication supabase_realtime add table public.kept where (id > 0), public.${evil} (id, ${evil});
    create function auth.mine() returns text language sql as $f$ select 'mine' $f$;
    create role worker nologin`)
  await admin.query(`
    grant pg_read_server_files, pg_monitor to worker; create role supabase_strange_admin;
    create policy strangers on storage.objects for select to supabase_strange_admin using (true);
    revoke all on function auth.mine() from public; grant execute on function auth.mine() to supabase_strange_admin, anon;
    create schema supabase_functions; create function supabase_functions.http_request() returns trigger language plpgsql as $f$ begin return new; end $f$;
    create trigger hook after insert on auth.users for each row execute function supabase_functions.http_request();
    create table storage.iceberg_things (id int); insert into storage.iceberg_things values (1), (2); grant select on storage.iceberg_things to postgres`)
  const { storage } = createClient(live.url, live.keys.SERVICE_ROLE_KEY)
  assert.ifError((await storage.createBucket('pages', { public: true })).error)
  for (const name of ['a.html', 'redirect.html', 'short.html', 'tampered.html', 'longer.html', 'mallory.json']) {
    const body = name === 'mallory.json' ? '{"email":"mallory@example.com","password":"correct horse","role":"service_role","email_confirm":true}' : `<p>${name}</p>`
    assert.ifError((await storage.from('pages').upload(name, body, { contentType: name.endsWith('json') ? 'application/json' : 'text/html' })).error)
  }
  await admin.query(`set session_replication_role = replica; update storage.objects set name = '../../../auth/v1/admin/users' where name = 'mallory.json';
    insert into storage.buckets (id, name) values (${pg.escapeLiteral(EVIL)}, ${pg.escapeLiteral(EVIL)})`)
  await admin.end()
}
