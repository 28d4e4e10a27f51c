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

  test('what waits for a restart is named', async () => {
    settings('[rest]\nmax_rows = 7\n')
    await until('it is named', () => /rest\.max_rows/.test(basalt.log) && /next start/.test(basalt.log))
    assert.equal(await signUp(), undefined)
  })

  test('wrong settings change nothing', async () => {
    settings('[auth]\nenable_signup = false\nwat = 1\n')
    await until('it is told', () => /auth\.wat/.test(basalt.log))
    assert.equal(await signUp(), undefined)
  })
})
