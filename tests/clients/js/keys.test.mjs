// Signing keys are rotated and revoked under a running server: who is signed in stays so, and what only looks like a
// token of ours is refused everywhere.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, PASSWORD } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))

describe('signing keys', () => {
  let basalt, client, session

  const keys = (...args) => {
    const done = spawnSync(basaltBinary(), ['keys', ...args, '-o', 'json', '--data-dir', basalt.dataDir], {
      env: cleanEnvironment(basalt.env), cwd: basalt.root, encoding: 'utf8',
    })
    return { ...done, keys: done.status === 0 ? JSON.parse(done.stdout).keys : [] }
  }
  const state = (list, wanted) => list.find((key) => key.state === wanted)?.id
  const published = async () => {
    const answer = await fetch(`${basalt.url}/auth/v1/.well-known/jwks.json`)
    return (await answer.json()).keys
  }
  // The server looks for changes every other second.
  const until = async (holds) => {
    const deadline = Date.now() + 20_000
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, 'the server took the change over')
      await sleep(50)
    }
  }
  const ask = async (path, token) => {
    const headers = { apikey: basalt.keys.ANON_KEY, authorization: `Bearer ${token}` }
    return (await fetch(basalt.url + path, { headers })).status
  }
  const everywhere = async (token) => [await ask('/auth/v1/user', token), await ask('/rest/v1/kept', token)]

  before(async () => {
    basalt = await Basalt.start()
    await basalt.sql('create table public.kept (id int primary key); grant select on public.kept to anon, authenticated')
    await basalt.untilKnown('/rest/v1/kept?limit=0')
    client = createClient(basalt.url, basalt.keys.ANON_KEY)
    session = (await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })).data.session
  })
  after(() => basalt?.destroy())

  test('a key on standby is published before it signs', async () => {
    const before = await published()
    const { keys: list } = keys('add', '--algorithm', 'rs256')
    const standby = state(list, 'standby')
    await until(async () => (await published()).some((key) => key.kid === standby))
    assert.equal((await published()).length, before.length + 1)
    const { data } = await client.auth.signInWithPassword({ email: 'ada@example.com', password: PASSWORD })
    assert.equal(header(data.session.access_token).kid, before[0].kid)
    assert.equal(keys('add').status, 1)
  })

  test('rotating signs nobody out', async () => {
    const old = header(session.access_token).kid
    const { keys: list } = keys('rotate')
    const current = state(list, 'in use')
    assert.equal(state(list, 'previously used'), old)
    let fresh
    await until(async () => {
      fresh = (await client.auth.signInWithPassword({ email: 'ada@example.com', password: PASSWORD })).data.session
      return header(fresh.access_token).kid === current
    })
    assert.equal(header(fresh.access_token).alg, 'RS256')
    for (const token of [session.access_token, fresh.access_token]) {
      assert.deepEqual(await everywhere(token), [200, 200])
    }
    const { data, error } = await client.auth.refreshSession(session)
    assert.ifError(error)
    assert.equal(header(data.session.access_token).kid, current)
    const claims = await client.auth.getClaims(data.session.access_token)
    assert.equal(claims.data.claims.email, 'ada@example.com')
  })

  test('a key that is still needed is revoked only where that is wanted', async () => {
    const old = header(session.access_token).kid
    const refused = keys('revoke', old)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /are good for \d+ seconds more/)
    assert.equal(keys('revoke', header(session.access_token).kid, '--now').status, 0)
    await until(async () => (await ask('/auth/v1/user', session.access_token)) === 403)
    assert.deepEqual(await everywhere(session.access_token), [403, 401])
    assert.ok((await published()).every((key) => key.kid !== old))
    // The session lives: its refresh token is none of the key's.
    const { data, error } = await client.auth.signInWithPassword({ email: 'ada@example.com', password: PASSWORD })
    assert.ifError(error)
    assert.deepEqual(await everywhere(data.session.access_token), [200, 200])
    assert.equal(keys('revoke', 'nobody').status, 1)
  })

  test('tokens that only look like ours are refused', async () => {
    const { data } = await client.auth.signInWithPassword({ email: 'ada@example.com', password: PASSWORD })
    const [, payload, signature] = data.session.access_token.split('.')
    const [jwk] = await published()
    const revoked = header(session.access_token).kid
    const hmac = (head, key) => {
      const message = `${part(head)}.${payload}`
      return `${message}.${createHmac('sha256', key).update(message).digest('base64url')}`
    }
    const forged = [
      `${part({ alg: 'none', typ: 'JWT' })}.${payload}.`,
      `${part({ alg: 'none', kid: jwk.kid })}.${payload}.${signature}`,
      `${part({ alg: 'RS256', kid: 'unknown' })}.${payload}.${signature}`,
      `${part({ alg: 'RS256', kid: revoked })}.${payload}.${signature}`,
      `${part({ alg: 'ES256', kid: jwk.kid })}.${payload}.${signature}`,
    ]
    for (const kid of [undefined, jwk.kid, revoked, 'unknown']) {
      for (const key of [JSON.stringify(jwk), jwk.n, Buffer.from(jwk.n, 'base64url'), '']) {
        forged.push(hmac({ alg: 'HS256', typ: 'JWT', kid }, key))
      }
    }
    for (const token of forged) {
      assert.deepEqual(await everywhere(token), [403, 401], token)
    }
  })

  test('after a restart the keys are as they were', async () => {
    const before = await published()
    await basalt.stop()
    await basalt.launch()
    assert.deepEqual(await published(), before)
    assert.deepEqual(await everywhere(basalt.keys.ANON_KEY), [403, 200])
  })
})
