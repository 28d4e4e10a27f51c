// Tools that speak S3 and know nothing of us: boto3, the AWS command line and rclone, as a system has them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Basalt } from '../../clients/js/harness.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
let basalt
let directory
let env

function run(program, args) {
  const child = spawn(program, args, { env, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  const out = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => { out[name] += chunk })
  return new Promise((done) => {
    child.on('error', (error) => done({ ...out, status: -1, error }))
    child.on('close', (status) => done({ ...out, status }))
  })
}

async function succeeds(program, ...args) {
  const done = await run(program, args)
  assert.equal(done.status, 0, `${program} ${args.join(' ')}\n${done.stdout}${done.stderr}`)
  return done.stdout
}

before(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'basalt-s3-'))
  basalt = await Basalt.start()
  const { STORAGE_S3_URL, S3_PROTOCOL_REGION, S3_PROTOCOL_ACCESS_KEY_ID, S3_PROTOCOL_ACCESS_KEY_SECRET } = basalt.keys
  env = {
    PATH: process.env.PATH,
    HOME: directory,
    AWS_ENDPOINT_URL: STORAGE_S3_URL,
    AWS_REGION: S3_PROTOCOL_REGION,
    AWS_DEFAULT_REGION: S3_PROTOCOL_REGION,
    AWS_ACCESS_KEY_ID: S3_PROTOCOL_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: S3_PROTOCOL_ACCESS_KEY_SECRET,
    AWS_MAX_ATTEMPTS: '1',
    RCLONE_CONFIG_B_TYPE: 's3',
    RCLONE_CONFIG_B_PROVIDER: 'Other',
    RCLONE_CONFIG_B_ENDPOINT: STORAGE_S3_URL,
    RCLONE_CONFIG_B_REGION: S3_PROTOCOL_REGION,
    RCLONE_CONFIG_B_ACCESS_KEY_ID: S3_PROTOCOL_ACCESS_KEY_ID,
    RCLONE_CONFIG_B_SECRET_ACCESS_KEY: S3_PROTOCOL_ACCESS_KEY_SECRET,
    RCLONE_CONFIG_B_CHUNK_SIZE: '5M',
    RCLONE_CONFIG_B_UPLOAD_CUTOFF: '6M',
  }
})

after(async () => {
  await basalt?.destroy()
  rmSync(directory, { recursive: true, force: true })
})

// Files of every kind of name and size, one of them large enough for an upload in parts.
function tree(name) {
  const files = {
    'a.txt': 'hello', 'empty': '', 'dir/b c+d&e.txt': 'b', 'dir/deep/(x)=1,@$.bin': randomBytes(70_000), 'dir/large.bin': randomBytes(17_000_000),
  }
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.join(directory, name, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(directory, name, file), content)
  }
  return Object.keys(files)
}

function isSame(one, other, files) {
  for (const file of files) {
    const [a, b] = [one, other].map((name) => readFileSync(path.join(directory, name, file)))
    assert.ok(a.equals(b), file)
  }
}

const isThere = async (program) => (await run(program, ['--version'])).status === 0

test('boto3', async (t) => {
  const { status } = await run('python3', ['-c', 'import boto3'])
  if (status !== 0) return t.skip('boto3 is not installed')
  await succeeds('python3', path.join(here, 'boto.py'))
})

test('the AWS command line copies, syncs and presigns', async (t) => {
  if (!await isThere('aws')) return t.skip('the AWS command line is not installed')
  const aws = (...args) => succeeds('aws', '--endpoint-url', env.AWS_ENDPOINT_URL, ...args)
  await aws('s3', 'mb', 's3://cli')
  const files = tree('aws')
  await aws('s3', 'sync', 'aws', 's3://cli/tree')
  assert.equal((await aws('s3', 'sync', 'aws', 's3://cli/tree')).trim(), '')
  const listed = await aws('s3', 'ls', '--recursive', 's3://cli/')
  assert.equal(listed.trim().split('\n').length, files.length)
  await aws('s3', 'cp', '--recursive', 's3://cli/tree', 's3://cli/copy')
  await aws('s3', 'sync', 's3://cli/copy', 'aws-back')
  isSame('aws', 'aws-back', files)
  await aws('s3', 'mv', 's3://cli/copy/a.txt', 's3://cli/moved.txt')
  const url = (await aws('s3', 'presign', 's3://cli/moved.txt')).trim()
  assert.equal(await (await fetch(url)).text(), 'hello')
  await aws('s3api', 'head-object', '--bucket', 'cli', '--key', 'moved.txt')
  const missing = await run('aws', ['--endpoint-url', env.AWS_ENDPOINT_URL, 's3api', 'get-object', '--bucket', 'cli', '--key', 'none', 'out'])
  assert.match(missing.stderr, /NoSuchKey/)
  await aws('s3', 'rb', '--force', 's3://cli')
  assert.doesNotMatch(await aws('s3', 'ls'), /cli/)
})

test('rclone syncs both ways', async (t) => {
  if (!await isThere('rclone')) return t.skip('rclone is not installed')
  const rclone = (...args) => succeeds('rclone', '--retries', '1', ...args)
  await rclone('mkdir', 'b:rclone')
  const files = tree('rclone')
  await rclone('sync', 'rclone', 'b:rclone/tree')
  await rclone('check', 'rclone', 'b:rclone/tree', '--download')
  assert.equal((await rclone('lsf', '-R', '--files-only', 'b:rclone/tree')).trim().split('\n').length, files.length)
  await rclone('copyto', 'b:rclone/tree/a.txt', 'b:rclone/copied.txt')
  await rclone('moveto', 'b:rclone/copied.txt', 'b:rclone/tree/moved.txt')
  await rclone('sync', 'b:rclone/tree', 'rclone-back')
  isSame('rclone', 'rclone-back', files)
  rmSync(path.join(directory, 'rclone/dir'), { recursive: true })
  await rclone('sync', 'rclone', 'b:rclone/tree')
  assert.equal((await rclone('lsf', '-R', '--files-only', 'b:rclone/tree')).trim().split('\n').length, 2)
  await rclone('purge', 'b:rclone')
})
