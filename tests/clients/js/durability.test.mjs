// kill -9 of basalt and of its Postgres under a writing client: whatever was acknowledged is still there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Basalt, basaltBinary, freePorts } from './harness.mjs'

const ROUNDS = Number(process.env.ROUNDS ?? 6)
const WRITERS = 4
const READY_AGAIN_WITHIN_MS = 60_000

// Writes numbered rows over HTTP, one after another per writer, and keeps the numbers that were answered 201.
class Writers {
  #stopping = false
  acknowledged = []

  constructor(basalt, round) {
    this.loops = Array.from({ length: WRITERS }, (_, writer) => this.#write(basalt, round * 1_000_000 + writer * 100_000))
  }

  async #write(basalt, first) {
    const key = basalt.keys.SERVICE_ROLE_KEY
    for (let n = first; !this.#stopping; n += 1) {
      const answer = await fetch(`${basalt.url}/rest/v1/ledger`, {
        method: 'POST',
        headers: { apikey: key, authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ n }),
        signal: AbortSignal.timeout(10_000),
      }).catch(() => null)
      if (answer?.status === 201) this.acknowledged.push(n)
      else await sleep(5)
      await answer?.arrayBuffer().catch(() => {})
    }
  }

  async reach(count) {
    const deadline = Date.now() + 60_000
    while (this.acknowledged.length < count) {
      assert.ok(Date.now() < deadline, 'the writers make no progress')
      await sleep(5)
    }
  }

  async finish() {
    this.#stopping = true
    await Promise.all(this.loops)
    return this.acknowledged
  }
}

async function healthyWithin(basalt, limit) {
  const deadline = Date.now() + limit
  for (;;) {
    const probe = await fetch(`${basalt.url}/health`).then((r) => r.status, () => 0)
    if (probe === 200) return
    assert.ok(Date.now() < deadline, `not healthy again after ${limit} ms: ${probe}\n${basalt.log}`)
    await sleep(20)
  }
}

const processGone = (pid) => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

// Whether another postmaster has taken its place.
const isFollowed = (basalt, postmaster) => {
  try {
    return basalt.postmasterPid() !== postmaster
  } catch {
    return false
  }
}

describe('durability', () => {
  let basalt
  const acknowledged = []

  before(async () => {
    basalt = await Basalt.start()
    await basalt.sql('create table public.ledger (n bigint primary key)')
    await basalt.sql(`notify pgrst, 'reload schema'`)
    await basalt.untilKnown('/rest/v1/ledger?limit=0')
  })
  after(() => basalt?.destroy())

  const everyAcknowledgedRowIsThere = async () => {
    const stored = new Set((await basalt.sql('select n::int from public.ledger')).map((row) => row.n))
    assert.deepEqual(acknowledged.filter((n) => !stored.has(n)), [])
  }

  for (let round = 1; round <= ROUNDS; round += 1) {
    const victim = round % 2 === 1 ? 'basalt' : 'the postmaster'
    test(`round ${round}: kill -9 of ${victim} loses no acknowledged row`, async (t) => {
      const writers = new Writers(basalt, round)
      try {
        await writers.reach(20 + ((round * 37) % 80))
        if (victim === 'basalt') {
          await basalt.killNow()
        } else {
          const postmaster = basalt.postmasterPid()
          process.kill(postmaster, 'SIGKILL')
          const deadline = Date.now() + READY_AGAIN_WITHIN_MS
          while (!processGone(postmaster) || !isFollowed(basalt, postmaster)) { // its children serve on until they notice
            assert.ok(Date.now() < deadline, `no other postmaster came\n${basalt.log}`)
            await sleep(20)
          }
          const before = writers.acknowledged.length
          while (writers.acknowledged.length < before + 10) { // Postgres was started again and takes writes
            assert.ok(Date.now() < deadline, `no writes after the postmaster was killed\n${basalt.log}`)
            await sleep(20)
          }
          await healthyWithin(basalt, READY_AGAIN_WITHIN_MS)
        }
      } finally {
        acknowledged.push(...await writers.finish())
      }
      if (victim === 'basalt') t.diagnostic(`ready again after ${Math.round(await basalt.launch())} ms`)
      await everyAcknowledgedRowIsThere()
    })
  }

  test('a second instance on the same data directory is refused', async () => {
    const [port, dbPort] = await freePorts(2)
    const second = spawnSync(basaltBinary(), [
      'serve', '--data-dir', basalt.dataDir, '--listen', `127.0.0.1:${port}`, '--db-listen', `127.0.0.1:${dbPort}`,
    ], { cwd: basalt.root, encoding: 'utf8', timeout: 30_000 })
    assert.equal(second.signal, null, 'the second instance kept running')
    assert.notEqual(second.status, 0)
    assert.match(second.stdout + second.stderr, /another|already|in use|locked/i)
    assert.match(second.stdout + second.stderr, new RegExp(basalt.dataDir))
    await healthyWithin(basalt, 1000)
    await everyAcknowledgedRowIsThere()
  })

  test('SIGTERM ends with code 0, leaves no Postgres, and the next start is ready', async (t) => {
    const postmaster = basalt.postmasterPid()
    assert.equal(await basalt.stop(), 0)
    assert.ok(processGone(postmaster))
    t.diagnostic(`ready again after ${Math.round(await basalt.launch())} ms`)
    await everyAcknowledgedRowIsThere()
  })
})
