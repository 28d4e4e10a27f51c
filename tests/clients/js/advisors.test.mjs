// `basalt db advisors` finds what `supabase db advisors` finds.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Basalt, cleanEnvironment } from './harness.mjs'
import { SUPABASE, needs } from './programs.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

// Rules that look at names of columns, which is a matter of taste.
const NOT_OURS = ['sensitive_columns_exposed']

describe('advice about a database', () => {
  let basalt
  before(async () => {
    basalt = await Basalt.start()
    mkdirSync(path.join(basalt.root, 'supabase'))
    writeFileSync(path.join(basalt.root, 'supabase/config.toml'), 'project_id = "advice"\n')
    for (const file of ['../../apps/course/schema.sql', '../../apps/deploy/schema.sql', 'types/schema.sql']) {
      await basalt.sql(readFileSync(path.join(here, file), 'utf8'))
    }
    await basalt.sql(`
      create extension citext schema public;
      create view public.accounts as select id, email from auth.users;
      create view public.own_accounts with (security_invoker = on) as select id, email from auth.users;
      create table public.forgotten (id int primary key, owner uuid);
      create policy forgotten on public.forgotten using (owner = auth.uid());
      create table public.closed (id int primary key);
      alter table public.closed enable row level security;
      create table public.slow (id int primary key, owner uuid);
      alter table public.slow enable row level security;
      create policy slow on public.slow using (owner = auth.uid());
      create policy quick on public.slow for insert with check (owner = (select auth.uid()));
      create policy trusting on public.slow for update using ((auth.jwt() -> 'user_metadata' ->> 'admin')::bool);
      create index slow_1 on public.slow (owner);
      create index slow_2 on public.slow (owner);
      create function public.safe() returns int language sql set search_path = '' as 'select 1';`)
  })
  after(() => basalt?.destroy())

  const ours = (...flags) => basalt.run(['db', 'advisors', ...flags])
  const shown = (findings) => findings
    .filter(({ name }) => !NOT_OURS.includes(name))
    .map(({ name, level, categories, metadata }) => `${name} ${level} ${categories} ${metadata.schema}.${metadata.name}`)
    .sort()

  test('finds what upstream finds', needs(SUPABASE), () => {
    const upstream = spawnSync(SUPABASE, ['db', 'advisors', '--level', 'info', `--remote=${basalt.keys.DB_URL}`, '-o', 'json'], {
      cwd: basalt.root, encoding: 'utf8', input: '', timeout: 60_000, maxBuffer: 1 << 26,
      env: cleanEnvironment({ SUPABASE_TELEMETRY_DISABLED: '1', HOME: basalt.root }),
    })
    const found = ours('--level', 'info', '-o', 'json')
    assert.equal(found.status, 0, found.stderr)
    assert.deepEqual(shown(JSON.parse(found.stdout)), shown(JSON.parse(upstream.stdout)))
  })

  test('leaves out what is not asked for', () => {
    const found = JSON.parse(ours('--type', 'performance', '--level', 'error', '-o', 'json').stdout)
    assert.deepEqual(found, [])
    assert.match(ours('--type', 'security').stdout, /error: .*\(rls_disabled_in_public\)\n  Table `public\./)
    assert.doesNotMatch(ours('--type', 'security').stdout, /unused_index/)
  })

  test('ends as a pipeline wants it', () => {
    assert.equal(ours('--fail-on', 'error').status, 1)
    assert.equal(ours().status, 0)
  })
})
