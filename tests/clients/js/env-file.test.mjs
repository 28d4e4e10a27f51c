// The `.env` of a self-hosted Supabase, as it lies there: `--env-file` reads it, each name means what it meant or is told
// once, and whoever asks for keys without it is not shown others.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createClient, decodeClaims, PASSWORD, signHs256 } from './client.mjs'
import { Basalt, basaltBinary, cleanEnvironment } from './harness.mjs'

const SECRET = 'a secret of some compose file, which is long enough'
const key = (role) => signHs256({ role, iss: 'supabase', iat: 1_700_000_000, exp: 2_000_000_000 }, SECRET)

// Every name of the file that comes with upstream's compose file, those that it leaves to users included.
const ENV = `
# Secrets
POSTGRES_PASSWORD=a-password-of-postgres
JWT_SECRET="${SECRET}"
ANON_KEY=${key('anon')}
SERVICE_ROLE_KEY=${key('service_role')}
DASHBOARD_USERNAME=supabase
DASHBOARD_PASSWORD=insecure
SECRET_KEY_BASE=UpNVntn3cDxHJpq99YMc1T1AQgQpc8kf
VAULT_ENC_KEY=32-characters-of-a-pooler's-key
PG_META_CRYPTO_KEY=32-characters-of-a-dashboard
LOGFLARE_PUBLIC_ACCESS_TOKEN=public
LOGFLARE_PRIVATE_ACCESS_TOKEN=private
S3_PROTOCOL_ACCESS_KEY_ID=625729a08b95bf1b7ff351a663f3a23c
S3_PROTOCOL_ACCESS_KEY_SECRET=850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907
SUPABASE_PUBLIC_URL=https://api.example.com
API_EXTERNAL_URL=https://api.example.com
POSTGRES_HOST=db
POSTGRES_DB=postgres
POSTGRES_PORT=5432
POOLER_PROXY_PORT_TRANSACTION=6543
POOLER_DEFAULT_POOL_SIZE=20
POOLER_MAX_CLIENT_CONN=100
POOLER_TENANT_ID=your-tenant-id
POOLER_DB_POOL_SIZE=5
STUDIO_DEFAULT_ORGANIZATION=Default Organization
STUDIO_DEFAULT_PROJECT=Default Project
OPENAI_API_KEY=sk-x
SITE_URL=https://www.example.com
ADDITIONAL_REDIRECT_URLS=https://www.example.com/**,myapp://callback
JWT_EXPIRY=1800
DISABLE_SIGNUP=false
MAILER_URLPATHS_CONFIRMATION="/auth/v1/verify"
MAILER_URLPATHS_INVITE="/auth/v1/verify"
MAILER_URLPATHS_RECOVERY="/auth/v1/verify"
MAILER_URLPATHS_EMAIL_CHANGE="/auth/v1/verify"
ENABLE_EMAIL_SIGNUP=true
ENABLE_EMAIL_AUTOCONFIRM=true
SMTP_ADMIN_EMAIL=admin@example.com
SMTP_HOST=supabase-mail
SMTP_PORT=2500
SMTP_USER=fake_mail_user
SMTP_PASS=fake_mail_password
SMTP_SENDER_NAME=fake_sender
ENABLE_ANONYMOUS_USERS=true
ENABLE_PHONE_SIGNUP=true
ENABLE_PHONE_AUTOCONFIRM=true
GOOGLE_ENABLED=true
GOOGLE_CLIENT_ID=an-id-of-google
GOOGLE_SECRET=s
GITHUB_ENABLED=false
SMS_PROVIDER=twilio
SMS_OTP_EXP=60
SMS_OTP_LENGTH=6
SMS_MAX_FREQUENCY=60s
SMS_TEMPLATE=Your code is {{ .Code }}
SMS_TWILIO_ACCOUNT_SID=AC0
SMS_TWILIO_AUTH_TOKEN=t
SMS_TWILIO_MESSAGE_SERVICE_SID=MG0
SMS_TEST_OTP=15551234567:123456
MFA_TOTP_ENROLL_ENABLED=true
MFA_TOTP_VERIFY_ENABLED=true
MFA_PHONE_ENROLL_ENABLED=false
MFA_PHONE_VERIFY_ENABLED=false
MFA_MAX_ENROLLED_FACTORS=10
GLOBAL_S3_BUCKET=stub
REGION=stub
MINIO_ROOT_USER=supa-storage
MINIO_ROOT_PASSWORD=secret1234
STORAGE_TENANT_ID=stub
FUNCTIONS_VERIFY_JWT=false
PGRST_DB_SCHEMAS=public,storage,graphql_public
DOCKER_SOCKET_LOCATION=/var/run/docker.sock
GOOGLE_PROJECT_ID=GOOGLE_PROJECT_ID
GOOGLE_PROJECT_NUMBER=GOOGLE_PROJECT_NUMBER
KONG_HTTP_PORT=8000
KONG_HTTPS_PORT=8443
IMGPROXY_ENABLE_WEBP_DETECTION=true
PROXY_DOMAIN=your-domain.example.com
CERTBOT_EMAIL=admin@example.com
`
const TOLD = [
  'DASHBOARD_USERNAME', 'DASHBOARD_PASSWORD', 'STUDIO_DEFAULT_ORGANIZATION', 'STUDIO_DEFAULT_PROJECT', 'PG_META_CRYPTO_KEY',
  'KONG_HTTPS_PORT', 'PROXY_DOMAIN', 'CERTBOT_EMAIL',
]

describe('the .env of a self-hosted Supabase', () => {
  let basalt, file

  before(async () => {
    // The harness' own settings would hide those of the file.
    basalt = await Basalt.start({ env: { GOTRUE_MAILER_AUTOCONFIRM: '', GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED: '' } })
    await basalt.stop()
    file = path.join(basalt.root, '.env')
    writeFileSync(file, ENV)
    basalt.env = { ...basalt.env, BASALT_ENV_FILE: file }
    await basalt.launch()
  })
  after(() => basalt?.destroy())

  test('is read as it is, and what has no effect is told once', () => {
    const told = basalt.log.match(/without effect in this version: .*/g)
    assert.equal(told.length, 1)
    assert.deepEqual(told[0].replace(/^.*: /, '').replace(/["}].*$/, '').split(', ').sort(), [...TOLD].sort())
  })

  test('its keys are the keys, and its settings are in force', async () => {
    assert.equal(basalt.keys.ANON_KEY, key('anon'))
    assert.equal(basalt.keys.JWT_SECRET, SECRET)
    assert.equal(basalt.keys.API_URL, 'https://api.example.com')
    assert.match(basalt.keys.DB_URL, /:a(%2D|-)password(%2D|-)of(%2D|-)postgres@/)
    assert.equal((await basalt.sql('select 1 as one'))[0].one, 1)
    const client = createClient(basalt.url, key('anon'))
    const { data, error } = await client.auth.signUp({ email: 'ada@example.com', password: PASSWORD })
    assert.ifError(error)
    const { exp, iat } = decodeClaims(data.session.access_token)
    assert.equal(exp - iat, 1800)
    const settings = await fetch(`${basalt.url}/auth/v1/settings`, { headers: { apikey: key('anon') } }).then((answer) => answer.json())
    assert.equal(settings.external.google, true)
    assert.equal(settings.external.github, false)
    assert.equal(settings.external.anonymous_users, true)
  })

  test('who asks without it is told so, and shown nothing', async () => {
    const without = { ...basalt.env }
    delete without.BASALT_ENV_FILE
    const run = (words, env) => spawnSync(basaltBinary(), [...words, '--data-dir', basalt.dataDir], {
      env: cleanEnvironment(env), cwd: basalt.root, encoding: 'utf8',
    })
    for (const words of [['status', '-o', 'json'], ['users', 'list']]) {
      const refused = run(words, without)
      assert.equal(refused.status, 3, refused.stderr)
      assert.equal(refused.stdout, '')
      assert.match(refused.stderr, /started with another .*JWT_SECRET.*--env-file|JWT_SECRET/)
      assert.ok(!refused.stderr.includes(SECRET))
    }
    const named = run(['status', '-o', 'json', '--env-file', file], without)
    assert.equal(JSON.parse(named.stdout).ANON_KEY, key('anon'), named.stderr)
    const gone = run(['status', '--env-file', `${file}.gone`], without)
    assert.equal(gone.status, 1)
    assert.match(gone.stderr, /cannot read .*\.env\.gone/)
    // A server that is gone binds nobody: the next one will have what is asked with.
    await basalt.stop()
    assert.notEqual(JSON.parse(run(['status', '-o', 'json'], without).stdout).JWT_SECRET, SECRET)
  })
})
