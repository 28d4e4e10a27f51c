// SIGHUP: new settings for a server that goes on.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, PASSWORD } from './client.mjs'
import { Basalt } from './harness.mjs'

describe('settings that are read again', () => {
  let basalt, client
  before(async () => {
    basalt = await Basalt.start()
    client = createClient(basalt.url, basalt.keys.ANON_KEY)
  })
  after(() => basalt?.destroy())

  const settings = (text) => {
    writeFileSync(path.join(basalt.dataDir, 'basalt.toml'), text)
    process.kill(basalt.pid, 'SIGHUP')
  }
  const until = async (what, condition) => {
    const deadline = Date.now() + 10_000
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`${what}\n${basalt.log}`)
      await sleep(50)
    }
  }
  let number = 0
  const signUp = async () => (await client.auth.signUp({ email: `ada${++number}@example.com`, password: PASSWORD })).error?.code

  test('those of auth count at once', async () => {
    assert.equal(await signUp(), undefined)
    settings('[auth]\nenable_signup = false\n')
    await until('sign-ups are closed', async () => (await signUp()) === 'signup_disabled')
    settings('[auth]\nenable_signup = true\n')
    await until('sign-ups are open', async () => (await signUp()) === undefined)
  })

  test('those of the data API count at once', async () => {
    await basalt.sql('create table public.numbers as select generate_series(1, 9) as n; alter table public.numbers enable row level security; create policy all_of_it on public.numbers using (true)')
    await basalt.untilKnown('/rest/v1/numbers?limit=0')
    const rows = async () => (await client.from('numbers').select('n')).data?.length
    assert.equal(await rows(), 9)
    settings('[rest]\nmax_rows = 7\n')
    await until('rows are limited', async () => (await rows()) === 7)
    await until('the log says so', () => /new settings count settings=\["rest.max_rows"\]/.test(basalt.log))
    settings('[server]\ncors_allowed_origins = ["https://a.example.com"]\nmax_body = "1KiB"\n')
    const answer = (origin) => fetch(`${basalt.url}/auth/v1/health`, { headers: { origin, apikey: basalt.keys.ANON_KEY } })
    await until('origins are limited', async () => !(await answer('https://b.example.com')).headers.has('access-control-allow-origin'))
    assert.equal((await answer('https://a.example.com')).headers.get('access-control-allow-origin'), 'https://a.example.com')
    const large = await client.from('numbers').insert({ n: 1, text: 'x'.repeat(2000) })
    assert.equal(large.status, 413)
    // Services take over one after the other.
    await until('rows are limited no more', async () => (await rows()) === 9)
  })

  test('those of files and channels count at once', async () => {
    const service = createClient(basalt.url, basalt.keys.SERVICE_ROLE_KEY)
    await service.storage.createBucket('files')
    const upload = async (name) => (await service.storage.from('files').upload(name, 'x'.repeat(5000))).error?.statusCode
    assert.equal(await upload('first'), undefined)
    settings('[storage]\nfile_size_limit = "1KiB"\n[realtime]\nprivate_only = true\n')
    await until('files are limited', async () => (await upload(`next-${++number}`)) === '413')
    const joined = () => new Promise((resolve) => {
      const channel = client.channel(`open-${++number}`)
      channel.subscribe((status) => {
        if (status === 'SUBSCRIBED' || status === 'CHANNEL_ERROR') { client.removeChannel(channel); resolve(status) }
      })
    })
    assert.equal(await joined(), 'CHANNEL_ERROR')
    settings('[storage]\nfile_size_limit = "1MiB"\n')
    await until('files are as they were', async () => (await upload(`next-${++number}`)) === undefined)
    assert.equal(await joined(), 'SUBSCRIBED')
    await client.realtime.disconnect()
  })

  test('the level of the log counts at once', async () => {
    settings('[log]\nlevel = "debug"\n')
    await until('requests are logged', async () => { await signUp(); return /DEBUG request/.test(basalt.log) })
    settings('')
  })

  test('what waits for a restart is named, each time', async () => {
    const named = () => basalt.log.match(/next start settings=\["database.pool_size", "storage.images.workers"\]/g)?.length ?? 0
    for (const times of [1, 2]) {
      settings('[database]\npool_size = 7\n[storage]\nimages = { workers = 1 }\n[auth]\nsite_url = "http://localhost:1"\n')
      await until('it is named', () => named() === times)
    }
    assert.equal(await signUp(), undefined)
  })

  test('what is safe on this machine alone waits until nobody else can reach it', async () => {
    const sub = () => fetch(`${basalt.url}/rest/v1/numbers`).then((answer) => answer.status)
    assert.equal(await sub(), 401)
    settings('mode = "development"\n[auth]\nenable_signup = false\n')
    await until('it is told', () => /mode has changed/.test(basalt.log))
    assert.equal(await sub(), 401)
    assert.equal(await signUp(), undefined)
    settings('')
  })

  test('wrong settings change nothing', async () => {
    settings('[auth]\nenable_signup = false\nwat = 1\n')
    await until('it is told', () => /auth\.wat/.test(basalt.log))
    assert.equal(await signUp(), undefined)
  })
})
