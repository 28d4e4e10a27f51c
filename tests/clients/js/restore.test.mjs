// Moving to another machine as the README says: a dump, the two directories with the secrets, and nobody is signed out.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createClient, PASSWORD } from './client.mjs'
import { Basalt, freePorts, TEST_ENV, temporaryDirectory } from './harness.mjs'

function run(program, ...args) {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  assert.equal(status, 0, `${program}: ${stderr ?? error}`)
}

describe('a dump restored elsewhere', () => {
  let old, restored, session

  before(async () => {
    old = await Basalt.start()
    await old.sql(`
      create table public.kept (id int primary key, owner uuid not null default auth.uid());
      alter table public.kept enable row level security;
      create policy own on public.kept to authenticated using (owner = (select auth.uid()))`)
    await old.untilKnown('/rest/v1/kept?limit=0')
    await old.sql(`select vault.create_secret('a secret', 'name')`)
    const client = createClient(old.url, old.keys.ANON_KEY)
    session = (await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })).data.session
    assert.ifError((await client.from('kept').insert({ id: 1 })).error)
    const dump = path.join(old.root, 'backup.dump')
    run('pg_dump', '--format=custom', '--exclude-table=realtime.messages_*', `--file=${dump}`, old.keys.DB_URL)
    await old.stop()

    restored = new Basalt(temporaryDirectory(), await freePorts(2), TEST_ENV, [])
    mkdirSync(restored.dataDir, { mode: 0o711 })
    for (const directory of ['secrets', 'vault']) {
      run('cp', '-a', path.join(old.dataDir, directory), path.join(restored.dataDir, directory))
    }
    await restored.launch()
    run('pg_restore', '--clean', '--if-exists', '--no-password', `--host=${path.join(restored.dataDir, 'run')}`,
      `--port=${restored.dbPort}`, '--username=supabase_admin', '--dbname=postgres', dump)
    await restored.stop()
    await restored.launch()
  })

  after(async () => {
    await Promise.all([old?.destroy(), restored?.destroy()])
  })

  const ask = (query, token) => fetch(`${restored.url}/rest/v1/${query}`, {
    headers: { apikey: old.keys.ANON_KEY, ...(token && { authorization: `Bearer ${token}` }) },
  }).then((answer) => answer.json())

  test('keys and access tokens go on, and rows belong to whom they did', async () => {
    assert.deepEqual(await ask('kept?select=id', session.access_token), [{ id: 1 }])
    assert.deepEqual(await ask('kept?select=id'), [])
  })

  test('sessions are renewed and passwords hold', async () => {
    const there = createClient(restored.url, old.keys.ANON_KEY)
    assert.ifError((await there.auth.refreshSession({ refresh_token: session.refresh_token })).error)
    assert.ifError((await there.auth.signInWithPassword({ email: 'ada@example.com', password: PASSWORD })).error)
  })

  test('the vault opens', async () => {
    const rows = await restored.sql('select decrypted_secret from vault.decrypted_secrets')
    assert.deepEqual(rows, [{ decrypted_secret: 'a secret' }])
  })
})
