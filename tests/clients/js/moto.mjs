// An S3 server that is not ours: moto's, of PyPI. BASALT_TEST_MOTO names its program.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './harness.mjs'

const READY_WITHIN_MS = 60_000
const INSTALLED = path.join(homedir(), '.cache/basalt/moto/bin/moto_server') // where the set-up of the tests puts it
const PROGRAM = process.env.BASALT_TEST_MOTO ?? (existsSync(INSTALLED) ? INSTALLED : 'moto_server')

/** Option of a test that needs it. */
export const needsMoto = { skip: spawnSync(PROGRAM, ['--help']).status !== 0 && 'moto_server is not installed' }

export class Moto {
  #child = null

  /** A server with one empty bucket. */
  static async start(bucket) {
    const moto = new Moto()
    const [port] = await freePorts(1)
    moto.url = `http://127.0.0.1:${port}`
    process.on('exit', () => moto.#child?.kill('SIGKILL'))
    moto.#child = spawn(PROGRAM, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
    const deadline = Date.now() + READY_WITHIN_MS
    while (!await fetch(`${moto.url}/${bucket}`, { method: 'PUT' }).then((answer) => answer.ok, () => false)) {
      if (moto.#child.exitCode !== null || Date.now() > deadline) throw new Error('moto_server does not start')
      await sleep(100)
    }
    moto.bucket = bucket
    return moto
  }

  /** What it keeps, by name, with the sizes. */
  async objects() {
    const text = await (await fetch(`${this.url}/${this.bucket}?list-type=2`)).text()
    const found = text.matchAll(/<Key>([^<]*)<\/Key>.*?<Size>(\d+)<\/Size>/gs)
    return Object.fromEntries([...found].map(([, key, size]) => [key, Number(size)]))
  }

  async end() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
