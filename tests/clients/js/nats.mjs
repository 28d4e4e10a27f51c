// A server of NATS that can be taken away and given back.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './harness.mjs'

const READY_WITHIN_MS = 30_000
const PROGRAM = process.env.BASALT_TEST_NATS ?? 'nats-server'
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } // where Debian puts it

/** Option of a test that needs it. */
export const needsNats = { skip: spawnSync(PROGRAM, ['--version'], { env }).status !== 0 && 'nats-server is not installed' }

export class Nats {
  #child = null

  #args

  /** `args` go to the program as they are. */
  static async start(args = []) {
    const nats = new Nats()
    nats.#args = args
    nats.port = (await freePorts(1))[0]
    nats.url = `nats://127.0.0.1:${nats.port}`
    process.on('exit', () => nats.#child?.kill('SIGKILL'))
    await nats.launch()
    return nats
  }

  async launch() {
    this.#child = spawn(PROGRAM, ['--addr', '127.0.0.1', '--port', String(this.port), ...this.#args], { env, stdio: 'ignore' })
    const deadline = Date.now() + READY_WITHIN_MS
    while (!await this.#listens()) {
      if (this.#child.exitCode !== null || Date.now() > deadline) throw new Error('nats-server does not start')
      await sleep(20)
    }
  }

  #listens() {
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1')
      socket.on('connect', () => { socket.destroy(); resolve(true) })
      socket.on('error', () => resolve(false))
    })
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
