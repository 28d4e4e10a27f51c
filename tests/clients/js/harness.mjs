// Runs the real binary on a data directory of its own and takes it away again, whatever the test did.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const READY_WITHIN_MS = 120_000
const STOPPED_WITHIN_MS = 60_000
const LOG_KEPT_BYTES = 64 * 1024

// What every suite starts with: users are confirmed at once, and no limiter that counts the one address all of
// them come from.
export const TEST_ENV = {
  GOTRUE_MAILER_AUTOCONFIRM: 'true',
  GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true',
  GOTRUE_RATE_LIMIT_ANONYMOUS_USERS: '100000',
  GOTRUE_RATE_LIMIT_TOKEN_REFRESH: '100000',
  GOTRUE_RATE_LIMIT_OTP: '100000',
  GOTRUE_RATE_LIMIT_VERIFY: '100000',
}

// Names that would reach the binary from the caller's shell and change what is tested.
const FOREIGN_ENV = /^(BASALT_|GOTRUE_|PGRST_|PG[A-Z]+$|JWT_|ANON_KEY|SERVICE_ROLE_KEY|POSTGRES_|SITE_URL|API_EXTERNAL_URL|SMTP_)/

export function basaltBinary() {
  const binary = process.env.BASALT_BIN
  if (!binary) throw new Error('BASALT_BIN must name the basalt binary to test')
  return path.resolve(binary)
}

// A directory below the system's temporary one that the database's own user can reach too: as root the binary
// hands Postgres to another user, who cannot enter a directory of mode 0700.
export function temporaryDirectory(prefix = 'basalt-test-') {
  const directory = mkdtempSync(path.join(tmpdir(), prefix))
  chmodSync(directory, 0o755)
  return directory
}

// Ports that were free a moment ago, all different.
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}

export function cleanEnvironment(extra) {
  const kept = Object.entries(process.env).filter(([name]) => !FOREIGN_ENV.test(name))
  return { ...Object.fromEntries(kept), ...extra }
}

const running = new Set()
process.on('exit', () => {
  for (const basalt of running) basalt.abandon()
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1))
}

export class Basalt {
  #child = null
  #log = ''
  #pool = null

  constructor(root, ports, env, args) {
    this.root = root
    this.dataDir = path.join(root, 'data')
    this.url = `http://127.0.0.1:${ports[0]}`
    this.port = ports[0]
    this.dbPort = ports[1]
    this.env = env
    this.args = args
  }

  // An installation that has never run, started and ready.
  static async start({ env = {}, args = [] } = {}) {
    const basalt = new Basalt(temporaryDirectory(), await freePorts(2), { ...TEST_ENV, ...env }, args)
    try {
      await basalt.launch()
    } catch (error) {
      await basalt.destroy()
      throw error
    }
    return basalt
  }

  get log() {
    return this.#log
  }

  get pid() {
    return this.#child?.pid
  }

  command(extra = []) {
    return [
      'serve', '--data-dir', this.dataDir,
      '--listen', `127.0.0.1:${this.port}`, '--db-listen', `127.0.0.1:${this.dbPort}`,
      ...this.args, ...extra,
    ]
  }

  // Starts the process and waits until /health answers 200; returns the milliseconds that took.
  async launch() {
    const since = performance.now()
    const child = spawn(basaltBinary(), this.command(), {
      env: cleanEnvironment(this.env),
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    running.add(this)
    const keep = (chunk) => { this.#log = (this.#log + chunk).slice(-LOG_KEPT_BYTES) }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => keep(`\n${error}\n`))
    await this.#becomeReady(child)
    const took = performance.now() - since
    this.keys = this.status()
    return took
  }

  async #becomeReady(child) {
    const deadline = Date.now() + READY_WITHIN_MS
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
        throw new Error(`basalt ended before it was ready (${child.exitCode ?? child.signalCode})\n${this.#log}`)
      }
      const healthy = await fetch(`${this.url}/health`).then((r) => r.status === 200, () => false)
      if (healthy) return
      await sleep(20)
    }
    throw new Error(`basalt was not ready within ${READY_WITHIN_MS} ms\n${this.#log}`)
  }

  // What `basalt status` prints: API_URL, DB_URL, ANON_KEY, SERVICE_ROLE_KEY, JWT_SECRET, …
  status() {
    const done = this.run(['status', '-o', 'json'])
    if (done.status !== 0) throw new Error(`basalt status failed: ${done.stderr}${done.stdout}`)
    return JSON.parse(done.stdout)
  }

  // Runs another command on this installation: { status, stdout, stderr }.
  run(words, input = '') {
    return spawnSync(basaltBinary(), [...words, '--data-dir', this.dataDir], {
      env: cleanEnvironment(this.env),
      cwd: this.root,
      encoding: 'utf8',
      input,
    })
  }

  // Runs SQL as role postgres, as a developer with psql would. Parameters make it one prepared statement.
  async sql(text, parameters) {
    if (!this.#pool) {
      this.#pool = new pg.Pool({ connectionString: this.keys.DB_URL, max: 4 })
      this.#pool.on('error', () => {}) // an idle connection dies with the server: the next query says so
    }
    const result = await this.#pool.query(text, parameters)
    return Array.isArray(result) ? result.at(-1).rows : result.rows
  }

  // One connection as role postgres, for work that needs a transaction; closed afterwards.
  async connected(work) {
    const client = new pg.Client({ connectionString: this.keys.DB_URL })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  // Loads a schema file and waits until the REST service knows the given relation.
  async loadSchema(file, relation) {
    await this.sql(readFileSync(file, 'utf8'))
    await this.sql(`notify pgrst, 'reload schema'`)
    await this.untilKnown(`/rest/v1/${relation}?limit=0`)
  }

  async untilKnown(pathAndQuery) {
    const deadline = Date.now() + 15_000
    const headers = { apikey: this.keys.SERVICE_ROLE_KEY }
    for (;;) {
      const response = await fetch(this.url + pathAndQuery, { headers })
      if (response.ok) return
      if (Date.now() > deadline) throw new Error(`${pathAndQuery}: ${response.status} ${await response.text()}`)
      await sleep(50)
    }
  }

  postmasterPid() {
    const majors = path.join(this.dataDir, 'pg')
    const major = readdirSync(majors).find((name) => existsSync(path.join(majors, name, 'postmaster.pid')))
    if (!major) throw new Error('no postmaster.pid in the data directory')
    return Number(readFileSync(path.join(majors, major, 'postmaster.pid'), 'utf8').split('\n', 1)[0])
  }

  async killNow() {
    const child = this.#child
    await this.#closePool()
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    running.delete(this)
  }

  // SIGTERM, as a service manager stops it; returns the exit code.
  async stop() {
    await this.#closePool()
    const child = this.#child
    if (!child || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      running.delete(this)
      return child?.exitCode ?? null
    }
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS)
    const [code] = await ended
    clearTimeout(late)
    running.delete(this)
    return code
  }

  async #closePool() {
    const pool = this.#pool
    this.#pool = null
    await pool?.end().catch(() => {})
  }

  async destroy() {
    try {
      await this.stop()
    } finally {
      this.#removeRoot()
    }
  }

  // The last Postgres of a killed server may still be writing its goodbye: hence the retries.
  #removeRoot() {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  // The test process is ending without having cleaned up. Postgres follows its killed parent by itself.
  abandon() {
    this.#child?.kill('SIGKILL')
    this.#removeRoot()
  }
}
