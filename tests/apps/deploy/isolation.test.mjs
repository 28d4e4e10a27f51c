// Many sessions of two tenants at once: pooled connections must not carry anybody's claims to the next request.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Application, KEY_SETS, PASSWORD, createClient, decodeClaims, decodeHeader, signHs256 } from '../../clients/js/client.mjs'
import { ok, refused, rows } from '../../clients/js/expect.mjs'
import { Basalt } from '../../clients/js/harness.mjs'
import { createProfile, createTeam, createTenant, host, join, seedTiers } from './seed.mjs'

const SCHEMA = new URL('schema.sql', import.meta.url)
const SESSIONS_PER_TENANT = 20
const REQUESTS_PER_SESSION = 5

describe('isolation', () => {
  let basalt, app, tenants

  before(async () => {
    basalt = await Basalt.start()
    app = new Application(basalt, KEY_SETS[0])
    await basalt.loadSchema(SCHEMA, 'deployments')
    await seedTiers(app.service)
    tenants = await Promise.all(['red', 'blue'].map(async (tag) => {
      const tenant = await createTenant(app.service, tag, 'pro')
      const team = await createTeam(app.service, tenant.id, tag)
      const members = await Promise.all(Array.from({ length: SESSIONS_PER_TENANT }, async (_, n) => {
        const member = await createProfile(app, `${tag}${n}`, tenant.id, 'developer')
        await join(app.service, team.id, member, 'developer')
        return member
      }))
      return { tag, tenant, team, members }
    }))
  })
  after(() => basalt?.destroy())

  test('74 no row of the other tenant ever appears', async () => {
    const questions = ({ tag, team, tenant }, member, n) => [
      async () => rows(await member.db.from('hosts')
        .insert(host(team.id, member.id, tag, { description: `${n}` })).select(), 1).map((row) => row.name),
      async () => ok(await member.db.from('hosts').select('name')).map((row) => row.name),
      async () => ok(await member.db.from('teams').select('name,tenants(name)'))
        .flatMap((row) => [row.name, row.tenants.name]),
      async () => ok(await member.db.rpc('get_user_teams', { p_profile_id: member.id })).map((row) => row.name),
      async () => ok(await member.db.from('profiles').select('tenant_id')).map(({ tenant_id }) =>
        (tenant_id === tenant.id ? tag : 'foreign')),
      async () => { rows(await app.anon.from('hosts').select(), 0); return [] },
      async () => { // a failed statement must not leave its claims behind either
        refused(await member.db.from('hosts').insert(host(team.id, member.id, tag, { port: 0 })), '23514', 400)
        return []
      },
    ]
    let asked = 0
    await Promise.all(tenants.flatMap((side) => side.members.map(async (member, n) => {
      const mix = questions(side, member, n)
      for (let turn = 0; turn < REQUESTS_PER_SESSION; turn += 1) {
        const tags = await mix[(n + turn) % mix.length]()
        asked += 1
        for (const tag of tags) assert.equal(tag, side.tag)
      }
    })))
    assert.equal(asked, 2 * SESSIONS_PER_TENANT * REQUESTS_PER_SESSION)
    const [{ n }] = await basalt.sql(`select count(*)::int as n from public.hosts h
      join public.teams t on t.id = h.team_id where h.name <> t.name`)
    assert.equal(n, 0)
  })

  test('71 every key with every session signature reads the same rows', async () => {
    const [{ members: [member], tag }] = tenants
    const client = app.visitor()
    const { session } = ok(await client.auth.signInWithPassword({ email: member.email, password: PASSWORD }))
    assert.equal(decodeHeader(session.access_token).alg, 'ES256')
    const tokens = {
      ES256: session.access_token,
      HS256: signHs256(decodeClaims(session.access_token), basalt.keys.JWT_SECRET),
    }
    for (const key of ['ANON_KEY', 'PUBLISHABLE_KEY']) {
      for (const token of Object.values(tokens)) {
        const combined = createClient(basalt.url, basalt.keys[key], { accessToken: async () => token })
        assert.equal(rows(await combined.from('teams').select(), 1)[0].name, tag)
      }
      rows(await createClient(basalt.url, basalt.keys[key]).from('teams').select(), 0)
    }
    for (const key of ['SERVICE_ROLE_KEY', 'SECRET_KEY']) {
      rows(await createClient(basalt.url, basalt.keys[key]).from('teams').select(), 2)
    }
    const minted = signHs256({
      sub: member.id, role: 'authenticated', aud: 'authenticated', exp: Math.floor(Date.now() / 1000) + 60,
    }, basalt.keys.JWT_SECRET)
    assert.equal(rows(await app.withToken(minted).from('teams').select(), 1)[0].name, tag)
  })
})
