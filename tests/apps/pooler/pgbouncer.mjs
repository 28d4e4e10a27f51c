// PgBouncer before a database, and the data API alone behind it.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { basaltBinary, cleanEnvironment, freePorts, temporaryDirectory } from '../../clients/js/harness.mjs'

const READY_WITHIN_MS = 30_000
const ENVIRONMENT = { ...cleanEnvironment({}), PATH: `${process.env.PATH}:/usr/sbin` } // where Debian puts it

export const isInstalled = () => spawnSync('pgbouncer', ['--version'], { env: ENVIRONMENT }).status === 0

// A process that ends with the test, whatever happens.
class Running {
  constructor(program, args, env) {
    this.log = ''
    this.child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk) => { this.log = (this.log + chunk).slice(-64 * 1024) }
    this.child.stdout.on('data', keep)
    this.child.stderr.on('data', keep)
    this.child.on('error', (error) => keep(`\n${error}\n`))
    this.abandon = () => this.child.kill('SIGKILL')
    process.on('exit', this.abandon)
  }

  async until(isReady) {
    const deadline = Date.now() + READY_WITHIN_MS
    while (!await isReady()) {
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error(`it does not start\n${this.log}`)
      await sleep(20)
    }
    return this
  }

  async stop() {
    process.off('exit', this.abandon)
    if (this.child.exitCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }
}

// Before the database at `dbPort`; clients log in as whom they like and share `connections` of `user`.
export class PgBouncer extends Running {
  static async start({ dbPort, user, password, connections, mode = 'transaction' }) {
    const directory = temporaryDirectory('basalt-pgbouncer-')
    const [port] = await freePorts(1)
    const file = path.join(directory, 'pgbouncer.ini')
    writeFileSync(file, [
      '[databases]',
      `postgres = host=127.0.0.1 port=${dbPort} dbname=postgres user=${user} password='${password}'`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =',
      'auth_type = any', 'server_tls_sslmode = prefer', `pool_mode = ${mode}`, `default_pool_size = ${connections}`,
      ...(process.getuid() === 0 ? ['user = postgres'] : []), // it refuses to stay root
    ].join('\n'))
    chmodSync(file, 0o644)
    const bouncer = new PgBouncer('pgbouncer', [file], ENVIRONMENT)
    Object.assign(bouncer, { directory, port })
    return bouncer.until(() => bouncer.log.includes('process up'))
  }

  async stop() {
    await super.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

// `basalt serve --services rest` on the database at `databaseUrl`.
export class DataApi extends Running {
  static async start(databaseUrl, env) {
    const [port] = await freePorts(1)
    const args = ['serve', '--services', 'rest', '--database-url', databaseUrl, '--listen', `127.0.0.1:${port}`]
    const api = new DataApi(basaltBinary(), args, cleanEnvironment(env))
    api.url = `http://127.0.0.1:${port}`
    return api.until(() => fetch(`${api.url}/rpc/whoami`).then((response) => response.ok, () => false))
  }
}
