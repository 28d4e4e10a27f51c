// Servers that die and servers that stop: what the unmodified client sees of it, and what another server does.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from './client.mjs'
import { Basalt, TEST_ENV, freePorts, temporaryDirectory } from './harness.mjs'

const PATIENCE_MS = 30_000

async function until(what, condition) {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} did not happen in time`)
    await sleep(20)
  }
}

// A client on a topic; `states` are the states its channel went through, `heard` what arrived there.
function listener(basalt, key, topic = 'room') {
  const client = createClient(basalt.url, basalt.keys.ANON_KEY)
  const channel = client.channel(topic, { config: { presence: { key }, broadcast: { ack: true } } })
  const one = { client, channel, states: [], heard: [] }
  channel.on('broadcast', { event: '*' }, ({ payload }) => one.heard.push(payload.n))
  channel.on('presence', { event: 'sync' }, () => {})
  channel.subscribe((state) => {
    one.states.push(state)
    if (state === 'SUBSCRIBED') channel.track({ here: true })
  })
  one.joined = () => one.states.at(-1) === 'SUBSCRIBED'
  one.present = () => Object.keys(channel.presenceState()).sort()
  one.say = (n) => channel.send({ type: 'broadcast', event: 'e', payload: { n } })
  one.end = async () => {
    await client.removeAllChannels()
    await client.realtime.disconnect()
  }
  return one
}

describe('a server that comes back', () => {
  let basalt
  before(async () => { basalt = await Basalt.start() })
  after(async () => { await basalt.destroy() })

  for (const [way, end] of [['killed', () => basalt.killNow()], ['stopped', () => basalt.stop()]]) {
    test(`after it was ${way} its clients are back on their channels by themselves`, async () => {
      const [ada, bob] = [listener(basalt, 'ada', way), listener(basalt, 'bob', way)]
      await until('the join', () => ada.joined() && bob.joined())
      await until('presence', () => ada.present().length === 2 && bob.present().length === 2)
      await end()
      await until('the end of the channels', () => !ada.joined() && !bob.joined())
      await basalt.launch()
      await until('the join anew', () => ada.joined() && bob.joined())
      assert.equal(await ada.say(7), 'ok')
      await until('the message', () => bob.heard.includes(7))
      await until('presence anew', () => ada.present().length === 2 && bob.present().length === 2)
      await Promise.all([ada.end(), bob.end()])
    })
  }
})

describe('two servers of one database', () => {
  let first
  let second
  before(async () => {
    first = await Basalt.start()
    const socket = path.join(first.dataDir, 'run')
    const url = `postgresql://supabase_admin@/postgres?host=${encodeURIComponent(socket)}&port=${first.dbPort}`
    second = new Basalt(temporaryDirectory(), await freePorts(2), { ...TEST_ENV, BASALT_DATABASE__URL: url }, [])
    second.command = () => ['serve', '--data-dir', second.dataDir, '--listen', `127.0.0.1:${second.port}`]
    // Servers of one database have the same keys.
    cpSync(path.join(first.dataDir, 'secrets'), path.join(second.dataDir, 'secrets'), { recursive: true })
    cpSync(path.join(first.dataDir, 'vault'), path.join(second.dataDir, 'vault'), { recursive: true })
    await second.launch()
  })
  after(async () => {
    await second?.destroy()
    await first?.destroy()
  })

  test('their sockets hear and see each other, until one dies', async () => {
    const [here, there] = [listener(first, 'here'), listener(second, 'there')]
    await until('the joins', () => here.joined() && there.joined())
    await until('presence', () => here.present().length === 2 && there.present().length === 2)
    for (let n = 0; n < 100; n += 1) await (n % 2 ? here : there).say(n)
    const odd = Array.from({ length: 50 }, (_, n) => 2 * n + 1)
    await until('the messages', () => here.heard.length >= 50 && there.heard.length >= 50)
    assert.deepEqual(there.heard, odd)
    assert.deepEqual(here.heard, odd.map((n) => n - 1))
    await second.killNow()
    await until('the departure', () => here.present().length === 1)
    assert.deepEqual(here.present(), ['here'])
    await second.launch()
    await until('the return', () => there.joined() && here.present().length === 2)
    await there.say(1000)
    await until('the message', () => here.heard.includes(1000))
    await Promise.all([here.end(), there.end()])
  })
})
