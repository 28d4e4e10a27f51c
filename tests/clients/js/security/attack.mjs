// How the attacks are sent and what no answer may ever be: a 5xx, or a body that shows our insides.
import assert from 'node:assert/strict'
import net from 'node:net'

const INSIDES = [
  /panicked|stack backtrace|rust_backtrace/i,
  /\.rs\b/,
  /(^|[^\w.])\/(home|root|usr|tmp|var|etc|opt|proc)\//,
  /\b(json_agg|row_to_json|json_build_object|set_config|coalesce|jsonb_to_recordset|json_to_recordset)\s*\(/i,
  /\bdeadpool|tokio|actix|hyper\b/i,
]

export class Attack {
  constructor(app) {
    this.app = app
    const { JWT_SECRET, SERVICE_ROLE_KEY, SECRET_KEY, DB_URL } = app.basalt.keys
    this.secrets = [JWT_SECRET, SERVICE_ROLE_KEY, SECRET_KEY, new URL(DB_URL).password, app.basalt.root]
  }

  // Nothing internal in a body. `echoed` is the attacker's own text, which an error message may repeat.
  inspect(status, body, echoed = []) {
    assert.ok(status >= 200 && status < 500, `status ${status}: ${body.slice(0, 500)}`)
    let rest = body
    for (const text of echoed) {
      for (const form of [text, JSON.stringify(text).slice(1, -1)]) if (form) rest = rest.replaceAll(form, '')
    }
    for (const pattern of INSIDES) assert.doesNotMatch(rest, pattern)
    for (const secret of this.secrets) assert.ok(!rest.includes(secret), 'a secret is in the body')
  }

  async ask(pathAndQuery, { echoed, ...options } = {}) {
    const response = await this.app.fetch(pathAndQuery, options)
    const text = await response.text()
    this.inspect(response.status, text, echoed)
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
  }

  post(pathAndQuery, body, { headers, ...options } = {}) {
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    return this.ask(pathAndQuery, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: raw ? body : JSON.stringify(body),
      ...options,
    })
  }

  // Bytes as they are, for requests that no HTTP client would send. Resolves with all that came back once the
  // server closed the connection, or stayed silent for `quiet` milliseconds.
  wire(bytes, { quiet = 1500 } = {}) {
    return new Promise((resolve, reject) => {
      const received = []
      const socket = net.connect(this.app.basalt.port, '127.0.0.1')
      const finish = (closed) => {
        clearTimeout(timer)
        socket.destroy()
        const text = Buffer.concat(received).toString('latin1')
        const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]))
        resolve({ text, statuses, closed })
      }
      let timer = setTimeout(() => finish(false), quiet * 4)
      socket.on('connect', () => socket.write(bytes))
      socket.on('data', (chunk) => {
        received.push(chunk)
        clearTimeout(timer)
        timer = setTimeout(() => finish(false), quiet)
      })
      socket.on('end', () => finish(true))
      socket.on('error', (error) => (error.code === 'ECONNREFUSED' ? reject(error) : finish(true)))
    })
  }
}
