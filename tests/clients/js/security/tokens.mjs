// Tokens and keys that must not be believed.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { decodeClaims, decodeHeader, signHs256, unsignedToken } from '../client.mjs'

const now = () => Math.floor(Date.now() / 1000)
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

function signEs256(claims, privateKey, header) {
  const head = `${encode({ alg: 'ES256', typ: 'JWT', ...header })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(head), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${head}.${signature.toString('base64url')}`
}

// A token whose last signature byte is another one.
function tampered(token) {
  const [head, claims, signature] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[bytes.length - 1] ^= 1
  return `${head}.${claims}.${bytes.toString('base64url')}`
}

async function forgeries({ app, ada, attack }) {
  const secret = app.basalt.keys.JWT_SECRET
  const claims = { ...decodeClaims(ada.token), exp: now() + 600 }
  const service = { role: 'service_role', iss: 'supabase', exp: now() + 600 }
  const { keys: [jwk] } = (await attack.ask('/auth/v1/.well-known/jwks.json')).json()
  const published = createPublicKey({ key: jwk, format: 'jwk' })
  const pem = published.export({ type: 'spki', format: 'pem' })
  const der = published.export({ type: 'spki', format: 'der' })
  const strange = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const strangeJwk = strange.publicKey.export({ format: 'jwk' })
  const [head, body, signature] = ada.token.split('.')
  const kid = { kid: jwk.kid }
  return {
    'alg none': unsignedToken(claims),
    'alg None': unsignedToken(claims, 'None'),
    'alg none with the old signature': `${unsignedToken(claims)}${signature}`,
    'alg none, service role': unsignedToken(service),
    'no signature under ES256': `${head}.${body}.`,
    'a changed signature': tampered(ada.token),
    'changed claims': `${head}.${encode({ ...claims, role: 'service_role' })}.${signature}`,
    'HS256 with the published key as PEM': signHs256(service, pem, kid),
    'HS256 with the published key as trimmed PEM': signHs256(service, pem.trim(), kid),
    'HS256 with the published key as DER': signHs256(service, der, kid),
    'HS256 with the published JWK': signHs256(service, JSON.stringify(jwk), kid),
    'HS256 with a coordinate of the published key': signHs256(service, jwk.x, kid),
    'HS256 with the published key, no kid': signHs256(service, pem),
    'HS256 with the secret under the kid of the ES256 key': signHs256(service, secret, kid),
    'HS256 with an empty secret': signHs256(service, ''),
    'HS256 with another secret': signHs256(service, 'super-secret-jwt-token-with-at-least-32-characters-long'),
    'ES256 by a stranger under our kid': signEs256(service, strange.privateKey, kid),
    'ES256 by a stranger': signEs256(service, strange.privateKey),
    'ES256 by a stranger who brings the key': signEs256(service, strange.privateKey, { jwk: strangeJwk }),
    'ES256 by a stranger with a key URL': signEs256(service, strange.privateKey, { jku: 'http://127.0.0.1:9/jwks' }),
    expired: signHs256({ ...claims, exp: now() - 120 }, secret),
    'expired long ago': signHs256({ ...claims, exp: 1 }, secret),
    'exp null': signHs256({ ...claims, exp: null }, secret),
    'exp as text': signHs256({ ...claims, exp: 'never' }, secret),
    'not valid yet': signHs256({ ...claims, nbf: now() + 600 }, secret),
    'an unknown critical header': signHs256(claims, secret, { crit: ['x'], x: true }),
    'claims that are no object': signHs256([claims], secret),
    'two parts': `${head}.${body}`,
    'four parts': `${ada.token}.x`,
    'no token at all': 'nonsense',
    'an opaque key that nobody made': 'sb_secret_AAAAAAAAAAAAAAAAAAAAAA_AAAAAAAA',
  }
}

export function tokens(context) {
  describe('tokens', () => {
    test('forged, expired and foreign tokens are refused everywhere', async (t) => {
      const { attack } = context
      for (const [name, token] of Object.entries(await forgeries(context))) {
        await t.test(name, async () => {
          const rest = await attack.ask('/rest/v1/notes', { token })
          assert.equal(rest.status, 401, rest.text)
          const user = await attack.ask('/auth/v1/user', { token })
          assert.ok([401, 403].includes(user.status), user.text)
          const admin = await attack.ask('/auth/v1/admin/users', { token })
          assert.ok([401, 403].includes(admin.status), admin.text)
          const asKey = await attack.ask('/rest/v1/notes', { headers: { apikey: token } })
          assert.equal(asKey.status, 401, asKey.text)
          const asQueryKey = await fetch(`${context.app.basalt.url}/rest/v1/notes?apikey=${encodeURIComponent(token)}`)
          attack.inspect(asQueryKey.status, await asQueryKey.text())
          assert.equal(asQueryKey.status, 401)
        })
      }
    })

    test('what the forgeries imitate is accepted', async () => {
      const { app, ada, attack } = context
      assert.equal(decodeHeader(ada.token).alg, 'ES256')
      assert.equal((await attack.ask('/rest/v1/notes', { token: ada.token })).json().length, 1)
      const claims = { ...decodeClaims(ada.token), exp: now() + 60 }
      const hs256 = signHs256(claims, app.basalt.keys.JWT_SECRET)
      assert.equal((await attack.ask('/rest/v1/notes', { token: hs256 })).json().length, 1)
      assert.equal((await attack.ask('/auth/v1/user', { token: ada.token })).json().id, ada.id)
    })

    test('the published keys contain no private part and no secret', async () => {
      const { app, attack } = context
      const answer = await attack.ask('/auth/v1/.well-known/jwks.json')
      const { keys } = answer.json()
      assert.ok(keys.length > 0)
      for (const key of keys) {
        for (const field of ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi']) assert.equal(key[field], undefined)
        assert.throws(() => createPrivateKey({ key, format: 'jwk' }))
      }
      assert.ok(!answer.text.includes(Buffer.from(app.basalt.keys.JWT_SECRET).toString('base64url')))
    })

    test('a session is no API key, and a wrong key is refused before anything else', async () => {
      const { app, ada, attack } = context
      const keys = [ada.token, 'wrong', '', `${app.anonKey}x`, tampered(app.anonKey),
        app.basalt.keys.SECRET_KEY.slice(0, -1), app.basalt.keys.PUBLISHABLE_KEY.replace('publishable', 'secret')]
      for (const apikey of keys.filter(Boolean)) {
        for (const path of ['/rest/v1/notes', '/auth/v1/user', '/auth/v1/settings']) {
          const answer = await attack.ask(path, { headers: { apikey }, token: ada.token })
          assert.equal(answer.status, 401, `${path} with ${apikey.slice(0, 12)}…: ${answer.text}`)
        }
      }
    })

    test('an opaque bearer that is not the API key is refused', async () => {
      const { app, attack } = context
      const token = app.basalt.keys.SECRET_KEY
      const answer = await attack.ask('/rest/v1/notes', {
        headers: { apikey: app.basalt.keys.PUBLISHABLE_KEY, authorization: `Bearer ${token}` },
      })
      assert.equal(answer.status, 401, answer.text)
    })

    test('the admin API is closed to anon and to users', async () => {
      const { ada, attack } = context
      for (const token of [undefined, ada.token]) {
        const list = await attack.ask('/auth/v1/admin/users', { token })
        assert.ok([401, 403].includes(list.status), list.text)
        const made = await attack.post('/auth/v1/admin/users', { email: 'planted@example.com' }, { token })
        assert.ok([401, 403].includes(made.status), made.text)
        const removed = await attack.ask(`/auth/v1/admin/users/${ada.id}`, { method: 'DELETE', token })
        assert.ok([401, 403].includes(removed.status), removed.text)
      }
    })

    test('signing in does not tell whether an account exists', async () => {
      const { ada, attack } = context
      const signIn = (email) => attack.post('/auth/v1/token?grant_type=password', { email, password: 'wrong-password' })
      const known = await signIn(ada.email)
      const unknown = await signIn('nobody@example.com')
      assert.equal(known.status, 400)
      assert.equal(unknown.status, known.status)
      assert.equal(unknown.text, known.text)
    })

    test('users cannot give themselves a role', async () => {
      const { ada, attack } = context
      const answer = await attack.ask('/auth/v1/user', {
        method: 'PUT',
        token: ada.token,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          role: 'service_role', aud: 'x', app_metadata: { role: 'service_role' }, is_super_admin: true,
          data: { role: 'service_role' },
        }),
      })
      assert.ok(answer.status < 500)
      const user = (await attack.ask('/auth/v1/user', { token: ada.token })).json()
      assert.equal(user.role, 'authenticated')
      assert.equal(user.app_metadata.role, undefined)
      const refreshed = await attack.post('/auth/v1/token?grant_type=refresh_token', { refresh_token: ada.refreshToken })
      assert.equal(decodeClaims(refreshed.json().access_token).role, 'authenticated')
      const planted = await attack.post('/auth/v1/signup', {
        email: 'climber@example.com', password: 'a-long-password', role: 'service_role',
        app_metadata: { role: 'service_role' }, data: { role: 'service_role' },
      })
      assert.equal(decodeClaims(planted.json().access_token).role, 'authenticated')
    })
  })
}
