// supabase-js as an application uses it, for each kind of API key and of session token.
import { createHmac, randomUUID } from 'node:crypto'
import { createClient as create } from '@supabase/supabase-js'
import WebSocket from 'ws'

globalThis.WebSocket ??= WebSocket // Node below 22 has none, and supabase-js insists on one

const ALONE = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } }
export const PASSWORD = 'correct horse battery staple'

export const createClient = (url, key, options = {}) => create(url, key, { ...ALONE, ...options })

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
export const decodeClaims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
export const decodeHeader = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))

export function signHs256(claims, secret, header = {}) {
  const head = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(claims)}`
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`
}

export const unsignedToken = (claims, alg = 'none') => `${encode({ alg, typ: 'JWT' })}.${encode(claims)}.`

// The two ways in which one application can be configured; between them they cover both kinds of API key and both
// signatures of session tokens.
export const KEY_SETS = [
  { name: 'legacy keys, ES256 sessions', anon: 'ANON_KEY', service: 'SERVICE_ROLE_KEY', session: 'ES256' },
  { name: 'opaque keys, HS256 sessions', anon: 'PUBLISHABLE_KEY', service: 'SECRET_KEY', session: 'HS256' },
]

// The clients of one application on one server.
export class Application {
  constructor(basalt, keySet) {
    this.basalt = basalt
    this.keySet = keySet
    this.anonKey = basalt.keys[keySet.anon]
    this.serviceKey = basalt.keys[keySet.service]
    this.anon = createClient(basalt.url, this.anonKey)
    this.service = createClient(basalt.url, this.serviceKey)
  }

  // A client of its own for somebody who is not signed in yet.
  visitor() {
    return createClient(this.basalt.url, this.anonKey)
  }

  // The same claims as the session's own token, signed the way this key set wants it.
  sessionToken(accessToken) {
    const { alg } = decodeHeader(accessToken)
    if (alg === this.keySet.session) return accessToken
    if (this.keySet.session === 'HS256') return signHs256(decodeClaims(accessToken), this.basalt.keys.JWT_SECRET)
    throw new Error(`sessions are signed ${alg}, not ${this.keySet.session}`)
  }

  withToken(token) {
    return createClient(this.basalt.url, this.anonKey, { accessToken: async () => token })
  }

  // Somebody signed in: `db` for tables and functions, `auth` for the account, `id`, `token`, `refreshToken`.
  member(client, session) {
    const token = this.sessionToken(session.access_token)
    return {
      id: session.user.id,
      email: session.user.email,
      db: this.withToken(token),
      auth: client.auth,
      token,
      refreshToken: session.refresh_token,
    }
  }

  async signUp(name, data) {
    const client = this.visitor()
    const { data: done, error } = await client.auth.signUp({
      email: address(name), password: PASSWORD, options: { data },
    })
    if (error) throw new Error(`sign-up of ${name}: ${error.message}`, { cause: error })
    return this.member(client, done.session)
  }

  // An account made by the server part, then signed in with its password.
  async createMember(name, attributes = {}) {
    const email = address(name)
    const made = await this.service.auth.admin.createUser({
      email, password: PASSWORD, email_confirm: true, ...attributes,
    })
    if (made.error) throw new Error(`creating ${name}: ${made.error.message}`, { cause: made.error })
    return this.signIn(email)
  }

  async signIn(email) {
    const client = this.visitor()
    const { data, error } = await client.auth.signInWithPassword({ email, password: PASSWORD })
    if (error) throw new Error(`sign-in of ${email}: ${error.message}`, { cause: error })
    return this.member(client, data.session)
  }

  // A request below the client library, for what it hides: headers, status lines, malformed input.
  fetch(pathAndQuery, { token, headers = {}, ...rest } = {}) {
    const credentials = { apikey: this.anonKey, ...(token && { authorization: `Bearer ${token}` }) }
    return fetch(this.basalt.url + pathAndQuery, { headers: { ...credentials, ...headers }, ...rest })
  }
}

export const address = (name) => `${name}-${randomUUID().slice(0, 8)}@example.com`
