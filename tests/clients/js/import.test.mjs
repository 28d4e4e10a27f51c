// `basalt import`: a live project is taken over, killed in the middle and run again, until both sides are equal. The live
// side is another server with everything a project has: tables of its own, accounts with hashes of four kinds, sessions,
// files, secrets, and what people put on tables of the platform. IMPORT_SCALE=large makes it as large as real ones.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, decodeClaims } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

const LARGE = process.env.IMPORT_SCALE === 'large'
const TABLES = LARGE ? 60 : 12
const USERS = LARGE ? 10_000 : 60
const OBJECTS = LARGE ? 5_000 : 40
const SECRETS = LARGE ? 200 : 5
const JWT_SECRET = 'the secret of a project that moves, long enough for anybody'
const PASSWORD = 'correct horse'
// Of that password, as Supabase Auth keeps them: bcrypt, argon2id, Firebase's scrypt, a cheaper bcrypt; and none at all.
const HASHES = [
  '$2a$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu',
  '$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk',
  '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$Y1FULYEag1Kxy4Xo8dySwZm9SSyOwNsSSgADe5x/0pEZ2Ygabx632pj+I/BWRf/VFK+0ti8zu5tOKtm9MzCCRw==',
  '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e',
  null,
]

describe('basalt import', { timeout: LARGE ? 1_800_000 : 300_000 }, () => {
  let live, basalt, session

  before(async () => {
    [live, basalt] = await Promise.all([
      Basalt.start({ env: { JWT_SECRET } }),
      Basalt.start(),
    ])
    session = await furnish(live)
  })
  after(async () => {
    await Promise.all([live?.destroy(), basalt?.destroy()])
  })

  const environment = () => ({
    ...basalt.env,
    BASALT_IMPORT_DATABASE_URL: live.keys.DB_URL,
    BASALT_IMPORT_API_URL: live.url,
    BASALT_IMPORT_SERVICE_KEY: live.keys.SERVICE_ROLE_KEY,
    BASALT_IMPORT_JWT_SECRET: JWT_SECRET,
  })
  // Runs it to its end, or kills it when it says something like `until`.
  const run = async (words = [], until = null) => {
    const child = spawn(basaltBinary(), ['import', '--verbose', '-o', 'json', ...words, '--data-dir', basalt.dataDir], {
      env: cleanEnvironment(environment()), cwd: basalt.root,
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => { out += chunk })
    child.stderr.on('data', (chunk) => {
      err += chunk
      if (until?.test(err)) child.kill('SIGKILL')
    })
    const [status, signal] = await once(child, 'exit')
    await sleep(50)
    const report = out ? JSON.parse(out) : null
    return { status, signal, err, report }
  }

  test('a dry run compares and changes nothing', async () => {
    const { status, err, report } = await run(['--dry-run'])
    assert.equal(status, 0, err)
    assert.equal(report.equal, false)
    assert.ok(report.report.notes.some((note) => note.includes('publication own_publication')))
    assert.equal((await basalt.sql('select count(*)::int as n from auth.users'))[0].n, 0)
  })

  test('killed three times, it goes on; at the end both sides are equal', async () => {
    const since = performance.now()
    for (const until of [/table 5 of/, /indexes, constraints/, LARGE ? /files: (1[0-9]00)/ : /files: \d+ looked/]) {
      const { signal, err } = await run([], until)
      assert.equal(signal, 'SIGKILL', err)
    }
    const { status, err, report: { equal, report } } = await run()
    assert.equal(status, 0, `${err}${JSON.stringify(report.tables.filter((table) => !table.equal))}`)
    assert.equal(equal, true)
    assert.ok(report.tables.length >= TABLES)
    const rows = (name) => report.tables.find(({ table }) => table === name).rows_here
    assert.equal(rows('auth.users'), USERS + 1)
    assert.equal(report.objects.there, OBJECTS)
    assert.equal(report.objects.here, OBJECTS)
    assert.equal(report.secrets.there, SECRETS)
    const copied = report.tables.filter((table) => table.copied).length
    assert.ok(copied < report.tables.length, 'what was there already was not copied again')
    console.log(`# import: ${report.tables.length} tables, ${report.tables.reduce((n, t) => n + t.rows_here, 0)} rows, ` +
      `${report.objects.here} files of ${report.objects.bytes} bytes, ${report.secrets.there} secrets; ` +
      `${Math.round(performance.now() - since)} ms with three kills; in the last run ${copied} tables and ${report.objects.copied} files`)
  })

  test('both sides say the same, asked by somebody else', async () => {
    const digest = async (side, table) => {
      const [row] = await side.sql(`select count(*)::int as n, md5(string_agg(t::text, ',' order by t::text)) as sum from ${table} t`)
      return row
    }
    for (const table of ['auth.users', 'auth.identities', 'auth.sessions', 'auth.refresh_tokens', 'public.t1', 'public.keeps', 'shop."Order items"', 'storage.buckets']) {
      assert.deepEqual(await digest(basalt, table), await digest(live, table), table)
    }
    const objects = `(select id, bucket_id, name, owner, owner_id, created_at, updated_at, user_metadata, metadata->>'eTag' e, metadata->>'size' s, metadata->>'mimetype' m from storage.objects)`
    assert.deepEqual(await digest(basalt, objects), await digest(live, objects))
    const vault = '(select id, name, description, decrypted_secret from vault.decrypted_secrets)'
    assert.deepEqual(await digest(basalt, vault), await digest(live, vault))
    const definitions = `(select schemaname, tablename, indexdef from pg_indexes where schemaname in ('public', 'shop')
      union all select connamespace::regnamespace::text, conname, pg_get_constraintdef(oid) from pg_constraint where connamespace::regnamespace::text in ('public', 'shop')
      union all select schemaname, policyname, coalesce(qual, '') || coalesce(with_check, '') from pg_policies where schemaname in ('public', 'storage', 'shop')
      union all select 'function', proname, pg_get_functiondef(oid) from pg_proc where pronamespace::regnamespace::text in ('public', 'shop')
      union all select 'trigger', tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal and tgrelid::regclass::text in ('auth.users', 'public.keeps')
      union all select 'published', tablename, '' from pg_publication_tables where pubname = 'supabase_realtime')`
    assert.deepEqual(await digest(basalt, definitions), await digest(live, definitions))
    const [{ n }] = await basalt.sql(`select nextval('public.keeps_id_seq')::int as n`)
    assert.equal(n, (await live.sql(`select nextval('public.keeps_id_seq')::int as n`))[0].n)
  })

  test('people sign in with each kind of hash, and who was signed in stays so', async () => {
    // The server looks for other keys every other second.
    for (const deadline = Date.now() + 20_000; ;) {
      const { status } = await fetch(`${basalt.url}/auth/v1/settings`, { headers: { apikey: live.keys.ANON_KEY } })
      if (status === 200) break
      assert.ok(Date.now() < deadline, 'keys of the source are good here')
      await sleep(50)
    }
    const sides = createClient(basalt.url, live.keys.ANON_KEY)
    for (let n = 0; n < HASHES.length; n += 1) {
      const { error } = await sides.auth.signInWithPassword({ email: `user${n}@example.com`, password: PASSWORD })
      assert.equal(error === null, HASHES[n] !== null, `${HASHES[n]}: ${error}`)
      assert.ok((await sides.auth.signInWithPassword({ email: `user${n}@example.com`, password: 'wrong' })).error)
    }
    // The application's own key, the token of before, and the refresh token of before.
    const client = createClient(basalt.url, live.keys.ANON_KEY, { global: { headers: { Authorization: `Bearer ${session.access_token}` } } })
    const { data: rows, error } = await client.from('keeps').select('note')
    assert.ifError(error)
    assert.deepEqual(rows, [{ note: 'hers' }])
    const refreshed = await createClient(basalt.url, live.keys.ANON_KEY).auth.refreshSession({ refresh_token: session.refresh_token })
    assert.ifError(refreshed.error)
    assert.equal(decodeClaims(refreshed.data.session.access_token).session_id, decodeClaims(session.access_token).session_id)
    const file = await createClient(basalt.url, live.keys.SERVICE_ROLE_KEY).storage.from('pictures').download('deep/u 7.bin')
    assert.ifError(file.error)
    assert.deepEqual(sha(Buffer.from(await file.data.arrayBuffer())), sha(content(7)))
  })

  test('what changes there comes with the next run, and after the cut-over nothing', async () => {
    await live.sql(`update public.keeps set note = 'changed' where note = 'hers'; delete from public.t2;
      insert into public.t1 (word) values ('new');
      select vault.update_secret((select id from vault.secrets where name = 'secret 1'), 'changed')`)
    const storage = createClient(live.url, live.keys.SERVICE_ROLE_KEY).storage.from('pictures')
    await storage.upload('deep/u 7.bin', Buffer.from('changed'), { upsert: true, contentType: 'text/plain' })
    await storage.remove(['n/8.bin'])
    const again = await run(['--cut-over'])
    assert.equal(again.status, 0, again.err)
    const { report } = again.report
    const copied = report.tables.filter((table) => table.copied).map(({ table }) => table)
    for (const table of ['public.keeps', 'public.t1', 'public.t2']) assert.ok(copied.includes(table), table)
    assert.ok(!copied.includes('public.t3'))
    assert.deepEqual([report.objects.copied, report.objects.removed, report.secrets.sealed], [1, 1, 1])
    const refused = await run()
    assert.equal(refused.status, 1)
    assert.match(refused.err, /was cut over/)
    const used = await Basalt.start()
    try {
      await used.sql('create table public.mine (id int)')
      const child = spawn(basaltBinary(), ['import', '--data-dir', used.dataDir], { env: cleanEnvironment(environment()) })
      let text = ''
      child.stderr.on('data', (chunk) => { text += chunk })
      assert.deepEqual((await once(child, 'exit'))[0], 1)
      assert.match(text, /is in use/)
      assert.equal(used.status().JWT_SECRET, used.keys.JWT_SECRET, 'and keeps its secret')
    } finally {
      await used.destroy()
    }
  })
})

const sha = (bytes) => createHash('sha256').update(bytes).digest('hex')
const content = (n) => Buffer.concat([Buffer.from(`file ${n}\n`), Buffer.alloc((n * 37) % 5000, n % 256)])

// Everything that a project has.
async function furnish(live) {
  const client = createClient(live.url, live.keys.ANON_KEY)
  const { data, error } = await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })
  assert.ifError(error)
  const tables = Array.from({ length: TABLES }, (_, n) => `
    create table public.t${n + 1} (id bigint generated by default as identity primary key, word text not null, at timestamptz default now(),
      body jsonb, tags text[], bytes bytea, amount numeric(12, 2), doubled numeric generated always as (amount * 2) stored);
    alter table public.t${n + 1} enable row level security;
    insert into public.t${n + 1} (word, body, tags, bytes, amount)
      select 'wörd ' || g, jsonb_build_object('n', g, 'text', repeat('x', g % 50)), array['a', null, g::text], sha256(g::text::bytea), g / 7.0
        from generate_series(1, ${LARGE ? 2000 : 50}) g;
    create index on public.t${n + 1} (word);`)
  await live.sql(tables.join('\n'))
  await live.sql(`
    create schema shop;
    create type shop.state as enum ('new', 'sent');
    create domain shop.email as text check (value ~ '@');
    create extension if not exists citext with schema extensions;
    create table shop."Order items" (id uuid primary key default gen_random_uuid(), state shop.state not null default 'new',
      contact shop.email, label extensions.citext, parent uuid references shop."Order items" (id), t1 bigint references public.t1 (id));
    insert into shop."Order items" (contact, label, t1) select 'a' || g || '@example.com', 'Label ' || g, g from generate_series(1, 40) g;
    update shop."Order items" set parent = (select min(id::text)::uuid from shop."Order items");
    create table public.parts (at date not null, n int) partition by range (at);
    create table public.parts_2025 partition of public.parts for values from ('2025-01-01') to ('2026-01-01');
    insert into public.parts select '2025-01-01'::date + g, g from generate_series(0, 99) g;
    create table public.keeps (id bigserial primary key, user_id uuid not null default auth.uid() references auth.users (id) on delete cascade, note text);
    alter table public.keeps enable row level security;
    create policy own on public.keeps for all to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
    create view public.notes with (security_invoker = true) as select note from public.keeps;
    create materialized view public.counted as select count(*) as n from public.t1;
    create function public.welcome() returns trigger language plpgsql security definer set search_path = '' as $$
      begin insert into public.keeps (user_id, note) values (new.id, 'welcome'); return new; end $$;
    create trigger welcome after insert on auth.users for each row execute function public.welcome();
    create policy pictures on storage.objects for select to authenticated using (bucket_id = 'pictures');
    alter publication supabase_realtime add table public.keeps;
    create publication own_publication for table public.t1;
    comment on table public.keeps is 'what people keep';
    create role reporting nologin; grant select on public.t1 to reporting;`)
  await live.sql(`insert into public.keeps (user_id, note) values ($1, 'hers')`, [data.user.id])
  await live.sql(`alter table auth.users disable trigger welcome`).catch(() => {})
  await live.sql(`
    insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
    select '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated', 'user' || g || '@example.com',
           ($1::text[])[1 + g % 5], now(), '{"provider":"email","providers":["email"]}', jsonb_build_object('n', g), now(), now()
      from generate_series(0, ${USERS - 1}) g`, [HASHES])
  await live.sql(`
    insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
    select id::text, id, jsonb_build_object('sub', id, 'email', email), 'email', now(), now() from auth.users where email like 'user%'`)
  await live.sql(`select count(vault.create_secret('content ' || g, 'secret ' || g, 'for ' || g)) from generate_series(1, ${SECRETS}) g`)

  const service = createClient(live.url, live.keys.SERVICE_ROLE_KEY)
  assert.ifError((await service.storage.createBucket('pictures', { public: false, fileSizeLimit: '1MB' })).error)
  assert.ifError((await service.storage.createBucket('open', { public: true, allowedMimeTypes: ['text/plain'] })).error)
  const names = Array.from({ length: OBJECTS }, (_, n) => n)
  const upload = async (n) => {
    const bucket = n % 5 === 4 ? 'open' : 'pictures'
    const name = n === 7 ? 'deep/u 7.bin' : `n/${n}.bin`
    const options = bucket === 'open' ? { contentType: 'text/plain' } : { contentType: 'application/x-own', cacheControl: '77', metadata: { n } }
    const { error } = await service.storage.from(bucket).upload(name, content(n), options)
    assert.ifError(error)
  }
  while (names.length > 0) await Promise.all(names.splice(0, 16).map(upload))
  return data.session
}
