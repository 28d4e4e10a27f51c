// Channels through the unmodified client: broadcasts from socket, HTTP and database, presence, private channels.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Application, KEY_SETS, createClient } from './client.mjs'
import { Basalt } from './harness.mjs'

const PATIENCE_MS = 15_000

// What resolves once `wanted` such things were noted.
function collector() {
  const seen = []
  const waiters = []
  const note = (thing) => {
    seen.push(thing)
    for (const waiter of waiters) if (seen.length >= waiter.wanted) waiter.resolve(seen)
  }
  const until = (wanted) => {
    const all = new Promise((resolve) => {
      if (seen.length >= wanted) resolve(seen)
      else waiters.push({ wanted, resolve })
    })
    const late = sleep(PATIENCE_MS, undefined, { ref: false })
      .then(() => assert.fail(`${wanted} wanted, got ${JSON.stringify(seen)}`))
    return Promise.race([all, late])
  }
  return { seen, note, until }
}

function subscribed(channel) {
  return new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      if (status === 'SUBSCRIBED') resolve(channel)
      else if (status !== 'CLOSED') reject(error ?? new Error(status))
    })
  })
}

for (const keySet of KEY_SETS) {
  describe(`channels with ${keySet.name}`, () => {
    let basalt
    let app
    const clients = []
    const visitor = (options) => {
      const client = createClient(basalt.url, app.anonKey, options)
      clients.push(client)
      return client
    }

    before(async () => {
      basalt = await Basalt.start()
      app = new Application(basalt, keySet)
      await basalt.sql(`
        create policy members_read on realtime.messages for select to authenticated
          using (realtime.topic() = 'members');
        create policy members_write on realtime.messages for insert to authenticated
          with check (realtime.topic() = 'members')`)
    })
    after(async () => {
      await Promise.all(clients.map((client) => client.removeAllChannels()))
      clients.forEach((client) => client.realtime.disconnect())
      await basalt.destroy()
    })

    test('what one sends the others hear, by both versions of the protocol', async () => {
      const heard = collector()
      for (const vsn of ['1.0.0', '2.0.0']) {
        const channel = visitor({ realtime: { vsn } }).channel('room')
        await subscribed(channel.on('broadcast', { event: 'hi' }, ({ payload }) => heard.note(payload)))
      }
      const sender = visitor().channel('room', { config: { broadcast: { ack: true } } })
      await subscribed(sender)
      assert.equal(await sender.send({ type: 'broadcast', event: 'hi', payload: { n: 1 } }), 'ok')
      assert.deepEqual(await heard.until(2), [{ n: 1 }, { n: 1 }])
      await sender.httpSend('hi', { n: 2 })
      assert.deepEqual((await heard.until(4)).slice(2), [{ n: 2 }, { n: 2 }])
    })

    test('presence comes and goes', async () => {
      const [ada, bob] = ['ada', 'bob'].map((key) => visitor().channel('lobby', { config: { presence: { key } } }))
      const joined = collector()
      const left = collector()
      ada.on('presence', { event: 'join' }, ({ key }) => joined.note(key))
      ada.on('presence', { event: 'leave' }, ({ key }) => left.note(key))
      bob.on('presence', { event: 'sync' }, () => {})
      await subscribed(ada)
      await subscribed(bob)
      await bob.track({ mood: 'good' })
      assert.deepEqual(await joined.until(1), ['bob'])
      assert.equal(ada.presenceState().bob[0].mood, 'good')
      await bob.unsubscribe()
      assert.deepEqual(await left.until(1), ['bob'])
      assert.deepEqual(ada.presenceState(), {})
    })

    test('a private channel is for those whom a policy lets in, and the database speaks on it', async () => {
      const config = { config: { private: true, broadcast: { replication_ready: true } } }
      await assert.rejects(subscribed(visitor().channel('members', config)), /permissions to read/)
      const member = await app.signUp('member')
      clients.push(member.db)
      const heard = collector()
      const ready = collector()
      const channel = member.db.channel('members', config)
      channel.on('system', {}, ({ message }) => ready.note(message))
      await subscribed(channel.on('broadcast', { event: '*' }, ({ event, payload }) => heard.note([event, payload.n])))
      assert.deepEqual(await ready.until(1), ['Replication connection established'])
      await basalt.sql(`select realtime.send('{"n": 1}', 'from-sql', 'members')`)
      assert.deepEqual(await heard.until(1), [['from-sql', 1]])
    })
  })
}
