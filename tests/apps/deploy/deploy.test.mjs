// The deployment console with two tenants: what each role may do inside its tenant, and that nothing crosses over.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { Application, KEY_SETS } from '../../clients/js/client.mjs'
import { Watch } from '../../clients/js/changes.mjs'
import { forbidden, ok, refused, rows, unauthorized } from '../../clients/js/expect.mjs'
import { Basalt } from '../../clients/js/harness.mjs'
import { createProfile, createTeam, createTenant, host, join, seed } from './seed.mjs'

const SCHEMA = new URL('schema.sql', import.meta.url)

function deploy(keySet) {
  describe(`deploy: ${keySet.name}`, () => {
    let basalt, app, a, b, teamA, teamB, a_admin, a_dev, a_view, b_admin, b_dev, lost
    let devHost, adminHost, repository, ci, deployment, watches

    before(async () => {
      basalt = await Basalt.start()
      app = new Application(basalt, keySet)
      await basalt.loadSchema(SCHEMA, 'deployments')
      ;({ a, b, teamA, teamB, a_admin, a_dev, a_view, b_admin, b_dev, lost } = await seed(app))
    })
    after(() => basalt?.destroy())

    test('31 profiles are those of the own tenant', async () => {
      rows(await a_admin.db.from('profiles').select(), 3)
      rows(await b_admin.db.from('profiles').select(), 2)
      const [self] = rows(await lost.db.from('profiles').select(), 1)
      assert.equal(self.id, lost.id)
      rows(await app.anon.from('profiles').select(), 0)
    })

    test('32 teams are those of the own tenant', async () => {
      assert.equal(rows(await a_view.db.from('teams').select(), 1)[0].id, teamA.id)
      assert.equal(rows(await b_dev.db.from('teams').select(), 1)[0].id, teamB.id)
      rows(await lost.db.from('teams').select(), 0)
      rows(await a_admin.db.from('teams').select().eq('id', teamB.id), 0)
    })

    test('33 an administrator makes teams in his tenant only', async () => {
      forbidden(await a_admin.db.from('teams').insert({ name: 'foreign', tenant_id: b.id }))
      const [made] = rows(await a_admin.db.from('teams').insert({ name: 'extra', tenant_id: a.id }).select(), 1)
      rows(await a_admin.db.from('teams').delete().eq('id', made.id).select(), 1)
    })

    test('34 a developer makes no teams', async () => {
      forbidden(await a_dev.db.from('teams').insert({ name: 'mine', tenant_id: a.id }))
    })

    test('35 a member of another tenant cannot be added', async () => {
      forbidden(await a_admin.db.from('team_members')
        .insert({ team_id: teamA.id, profile_id: b_dev.id, role: 'developer' }))
    })

    test('36 nobody adds himself to a team of another tenant', async () => {
      forbidden(await b_dev.db.from('team_members')
        .insert({ team_id: teamA.id, profile_id: b_dev.id, role: 'developer' }))
      forbidden(await b_admin.db.from('team_members')
        .insert({ team_id: teamA.id, profile_id: b_admin.id, role: 'admin' }))
    })

    test('37 nobody grants himself permissions', async () => {
      forbidden(await a_dev.db.from('permission_matrix')
        .insert({ team_id: teamA.id, profile_id: a_dev.id, resource_type: 'everything', can_delete: true }))
      rows(await a_dev.db.from('permission_matrix').update({ can_delete: true }).eq('profile_id', a_dev.id).select(), 0)
      rows(await a_dev.db.from('permission_matrix').delete().eq('profile_id', a_dev.id).select(), 0)
    })

    test('38 a developer adds a host', async () => {
      const answer = await a_dev.db.from('hosts').insert(host(teamA.id, a_dev.id, 'dev', { user: 'root' })).select()
      assert.equal(answer.status, 201)
      ;[devHost] = rows(answer, 1)
      assert.equal(devHost.id.length, 36)
      assert.equal(devHost.user, 'root')
      assert.equal(devHost.is_windows, false)
    })

    test('39 a viewer adds no host', async () => {
      forbidden(await a_view.db.from('hosts').insert(host(teamA.id, a_view.id, 'view')))
    })

    test('40 an administrator adds no host to a foreign team', async () => {
      forbidden(await b_admin.db.from('hosts').insert(host(teamA.id, b_admin.id, 'intruder')))
      unauthorized(await app.anon.from('hosts').insert(host(teamA.id, a_dev.id, 'anonymous')))
    })

    test('41 nobody adds a host in the name of another', async () => {
      forbidden(await a_dev.db.from('hosts').insert(host(teamA.id, a_admin.id, 'forged')))
    })

    test('42 the limit of the tier holds, in parallel too', async () => {
      ;[adminHost] = rows(await a_admin.db.from('hosts')
        .insert(host(teamA.id, a_admin.id, 'admin', { user: 'admin' })).select(), 1)
      const third = refused(await a_admin.db.from('hosts').insert(host(teamA.id, a_admin.id, 'third')), 'P0001', 400)
      assert.equal(third.message, 'limit of 2 hosts reached')
      assert.equal(third.hint, 'upgrade the subscription')
      rows(await b_admin.db.from('hosts')
        .insert([1, 2, 3].map((n) => host(teamB.id, b_admin.id, `b${n}`, { user: `b${n}` }))).select(), 3)

      const tenant = await createTenant(app.service, 'Racing', 'free')
      const racer = await createProfile(app, 'racer', tenant.id, 'admin')
      const team = await createTeam(app.service, tenant.id, 'Racing', racer.id)
      await join(app.service, team.id, racer, 'admin')
      ok(await racer.db.from('hosts').insert(host(team.id, racer.id, 'first')))
      const answers = await Promise.all([1, 2].map((n) =>
        racer.db.from('hosts').insert(host(team.id, racer.id, `parallel${n}`))))
      assert.equal(answers.filter(({ error }) => error === null).length, 1)
      refused(answers.find(({ error }) => error !== null), 'P0001', 400)
    })

    test('43 hosts are read by the team, not by another tenant', async () => {
      rows(await a_view.db.from('hosts').select(), 2)
      rows(await b_admin.db.from('hosts').select().eq('id', devHost.id), 0)
      rows(await app.anon.from('hosts').select(), 0)
    })

    test('44 a developer changes his own host only', async () => {
      const describeHost = (member, { id }) =>
        member.db.from('hosts').update({ description: 'changed' }).eq('id', id).select()
      rows(await describeHost(a_dev, devHost), 1)
      rows(await describeHost(a_dev, adminHost), 0)
      rows(await describeHost(a_view, devHost), 0)
      rows(await describeHost(b_admin, devHost), 0)
      rows(await describeHost(a_admin, devHost), 1)
    })

    test('45 hosts do not move to another tenant, and only the own one is deleted', async () => {
      forbidden(await a_admin.db.from('hosts').update({ team_id: teamB.id }).eq('id', adminHost.id))
      rows(await a_dev.db.from('hosts').delete().eq('id', adminHost.id).select(), 0)
      rows(await a_dev.db.from('hosts').delete().eq('id', devHost.id).select(), 1)
      ;[devHost] = rows(await a_dev.db.from('hosts')
        .insert(host(teamA.id, a_dev.id, 'dev again', { user: 'root' })).select(), 1)
    })

    test('46 a deployment embeds its repository and its CI provider', async () => {
      const [git] = rows(await a_dev.db.from('git_providers')
        .insert({ profile_id: a_dev.id, type: 'gitea', name: 'own', access_token: 'token of a_dev' }).select(), 1)
      ;[repository] = rows(await a_dev.db.from('repositories').insert(
        { provider_id: git.id, provider_type: 'gitea', name: 'site', team_id: teamA.id, creator_id: a_dev.id }).select(), 1)
      ;[ci] = rows(await a_admin.db.from('cicd_providers').insert({
        type: 'jenkins', name: 'builds', url: 'https://ci.example.com', config: { retries: 2 },
        tenant_id: a.id, team_id: teamA.id, creator_id: a_admin.id,
      }).select(), 1)
      ;[deployment] = rows(await a_dev.db.from('deployments').insert({
        name: 'full', repository_id: repository.id, cicd_provider_id: ci.id, tenant_id: a.id, team_id: teamA.id,
        creator_id: a_dev.id, user_id: a_dev.id, host_ids: [devHost.id, adminHost.id],
        scripts_path: ['a b.sh', 'c,d.sh'], environment_vars: [{ name: 'STAGE', value: 'test' }],
      }).select(), 1)
      const seen = ok(await a_view.db.from('deployments').select('*,repositories(name),cicd_providers(name)')
        .eq('id', deployment.id).single())
      assert.deepEqual(seen.repositories, { name: 'site' })
      assert.deepEqual(seen.cicd_providers, { name: 'builds' })
      assert.deepEqual(seen.scripts_path, ['a b.sh', 'c,d.sh'])
    })

    test('47 an absent repository is null', async () => {
      ok(await a_dev.db.from('deployments').insert(
        { name: 'bare', cicd_provider_id: ci.id, team_id: teamA.id, creator_id: a_dev.id }))
      const bare = ok(await a_view.db.from('deployments').select('name,repositories(name),cicd_providers(name)')
        .eq('name', 'bare').single())
      assert.deepEqual(bare, { name: 'bare', repositories: null, cicd_providers: { name: 'builds' } })
    })

    test('48 two keys to profiles are ambiguous until one is named', async () => {
      const plain = refused(await a_view.db.from('deployments').select('*,profiles(*)'), 'PGRST201', 300)
      assert.match(JSON.stringify(plain), /deployments_creator_id_fkey/)
      assert.match(JSON.stringify(plain), /deployments_user_id_fkey/)
      for (const hint of ['creator_id', 'deployments_creator_id_fkey']) {
        const named = ok(await a_view.db.from('deployments').select(`name,creator:profiles!${hint}(id,role)`)
          .eq('id', deployment.id).single())
        assert.deepEqual(named, { name: 'full', creator: { id: a_dev.id, role: 'developer' } })
      }
    })

    test('49 running a deployment needs the execute right', async () => {
      const run = (member) => member.db.from('deployments').update({ status: 'running' })
        .eq('id', deployment.id).select()
      rows(await run(a_view), 0)
      assert.equal(rows(await run(a_admin), 1)[0].status, 'running')
    })

    test('50 another tenant sees no deployment', async () => {
      rows(await b_admin.db.from('deployments').select(), 0)
    })

    test('51 mappings follow the rights on the deployment', async () => {
      const [job] = rows(await a_admin.db.from('cicd_jobs').insert(
        { provider_id: ci.id, external_id: 'j1', name: 'build', team_id: teamA.id, creator_id: a_admin.id }).select(), 1)
      const mapping = { deployment_id: deployment.id, cicd_job_id: job.id, build_number: '7' }
      rows(await a_admin.db.from('deployment_cicd_mappings').insert(mapping).select(), 1)
      forbidden(await a_view.db.from('deployment_cicd_mappings').insert(mapping))
      rows(await a_view.db.from('deployment_cicd_mappings').select(), 1)
      rows(await b_admin.db.from('deployment_cicd_mappings').select(), 0)
      const nested = ok(await a_view.db.from('deployments')
        .select('name,deployment_cicd_mappings(build_number,cicd_jobs(name))').eq('id', deployment.id).single())
      assert.deepEqual(nested, {
        name: 'full', deployment_cicd_mappings: [{ build_number: '7', cicd_jobs: { name: 'build' } }],
      })
    })

    test('52 a git token is visible to its owner only', async () => {
      assert.equal(rows(await a_dev.db.from('git_providers').select(), 1)[0].access_token, 'token of a_dev')
      rows(await a_admin.db.from('git_providers').select(), 0)
      rows(await b_admin.db.from('git_providers').select(), 0)
      forbidden(await a_admin.db.from('git_providers').insert({ profile_id: a_dev.id, type: 'github', name: 'planted' }))
    })

    test('53 only a visible repository can be pinned', async () => {
      rows(await a_view.db.from('profile_repository_pins')
        .insert({ profile_id: a_view.id, repository_id: repository.id }).select(), 1)
      forbidden(await b_admin.db.from('profile_repository_pins')
        .insert({ profile_id: b_admin.id, repository_id: repository.id }))
    })

    test('54 get_user_teams gives own teams, filtered and embedded', async () => {
      const teamsOf = (member, asked, select) =>
        member.db.rpc('get_user_teams', { p_profile_id: asked.id }).select(select)
      assert.equal(rows(await teamsOf(a_dev, a_dev), 1)[0].id, teamA.id)
      rows(await teamsOf(a_dev, b_dev), 0)
      const embedded = rows(await teamsOf(a_dev, a_dev, 'name,team_members(role)'), 1)[0]
      assert.equal(embedded.name, 'Team A')
      assert.deepEqual(embedded.team_members.map((m) => m.role).toSorted(), ['admin', 'developer', 'viewer'])
      rows(await teamsOf(a_dev, a_dev).eq('name', 'Team A'), 1)
      rows(await teamsOf(a_dev, a_dev).eq('name', 'Team B'), 0)
      unauthorized(await app.anon.rpc('get_user_teams', { p_profile_id: a_dev.id }))
    })

    test('55 check_permission answers about the caller only', async () => {
      const check = (client, profile, p_operation = 'insert') => client.rpc('check_permission', {
        p_profile_id: profile.id, p_team_id: teamA.id, p_resource_type: 'hosts', p_operation,
      })
      assert.equal(ok(await check(a_dev.db, a_dev)), true)
      assert.equal(ok(await check(a_dev.db, a_admin)), false)
      assert.equal(ok(await check(app.service, a_admin)), true)
      assert.equal(ok(await check(a_dev.db, a_dev, 'unheard-of')), false)
      assert.equal(ok(await check(a_view.db, a_view)), false)
      unauthorized(await check(app.anon, a_dev))
    })

    test('56 tiers are read by users and written by nobody', async () => {
      rows(await app.anon.from('subscription_tiers').select(), 0)
      rows(await a_view.db.from('subscription_tiers').select(), 2)
      rows(await a_admin.db.from('subscription_tiers').update({ name: 'mine' }).eq('id', 'free').select(), 0)
    })

    test('57 of the own profile only the avatar changes', async () => {
      const change = (values) => a_dev.db.from('profiles').update(values).eq('id', a_dev.id)
      const avatar_url = 'https://example.com/a.png'
      assert.equal(rows(await change({ avatar_url }).select(), 1)[0].avatar_url, avatar_url)
      forbidden(await change({ role: 'admin' }))
      forbidden(await change({ tenant_id: b.id }))
      rows(await a_dev.db.from('profiles').update({ avatar_url }).eq('id', a_admin.id).select(), 0)
    })

    test('58 the administrator renames his tenant', async () => {
      const rename = (member, id) => member.db.from('tenants').update({ name: 'Renamed' }).eq('id', id).select()
      rows(await rename(a_admin, a.id), 1)
      rows(await rename(a_admin, b.id), 0)
      rows(await rename(a_dev, a.id), 0)
      assert.equal(rows(await a_dev.db.from('tenants').select(), 1)[0].id, a.id)
    })

    test('59 the password column is not written directly', async () => {
      forbidden(await a_admin.db.from('hosts').update({ password: 'plain' }).eq('id', adminHost.id))
      forbidden(await a_dev.db.from('hosts').insert(host(teamA.id, a_dev.id, 'x', { password: 'plain' })))
    })

    const setPassword = (member, p_password) =>
      member.db.rpc('set_host_password', { p_host_id: adminHost.id, p_password })
    const reveal = (client) => client.rpc('reveal_host_password', { p_host_id: adminHost.id })

    test('60 a password goes to the vault and leaves only an id', async () => {
      forbidden(await setPassword(a_view, 'guess'))
      ok(await setPassword(a_admin, 'first secret'))
      const { password } = ok(await a_admin.db.from('hosts').select('password').eq('id', adminHost.id).single())
      assert.match(password, /^[0-9a-f-]{36}$/)
      const [stored] = await basalt.sql('select secret from vault.secrets where id = $1', [password])
      assert.ok(!stored.secret.includes('first secret'))
    })

    test('61 a password is revealed to those who may execute', async () => {
      assert.equal(ok(await reveal(a_admin.db)), 'first secret')
      forbidden(await reveal(a_view.db))
      forbidden(await reveal(b_admin.db))
      unauthorized(await reveal(app.anon))
    })

    test('62 a changed password is the one revealed', async () => {
      ok(await setPassword(a_admin, 'second "sécret"'))
      assert.equal(ok(await reveal(a_admin.db)), 'second "sécret"')
    })

    test('63 the vault itself is closed', async () => {
      await basalt.connected(async (client) => {
        for (const role of ['anon', 'authenticated']) {
          await client.query('begin')
          await client.query(`set local role ${role}`)
          await assert.rejects(client.query('select * from vault.decrypted_secrets'), { code: '42501' })
          await client.query('rollback')
        }
      })
      refused(await a_admin.db.schema('vault').from('decrypted_secrets').select(), 'PGRST106', 406)
      refused(await app.service.schema('vault').from('secrets').select(), 'PGRST106', 406)
    })

    test('64 deleting a host deletes its secret', async () => {
      const { password } = ok(await a_admin.db.from('hosts').select('password').eq('id', adminHost.id).single())
      rows(await a_admin.db.from('hosts').delete().eq('id', adminHost.id).select(), 1)
      assert.deepEqual(await basalt.sql('select 1 from vault.secrets where id = $1', [password]), [])
      ;[adminHost] = rows(await a_admin.db.from('hosts')
        .insert(host(teamA.id, a_admin.id, 'admin again', { user: 'admin' })).select(), 1)
    })

    test('65 a column named like a reserved word filters and sorts', async () => {
      assert.equal(rows(await a_view.db.from('hosts').select('id,user').eq('user', 'root'), 1)[0].id, devHost.id)
      const sorted = rows(await a_view.db.from('hosts').select('user').order('user'), 2)
      assert.deepEqual(sorted, [{ user: 'admin' }, { user: 'root' }])
    })

    test('66 arrays and json paths filter', async () => {
      const named = (query) => query.then((answer) => rows(answer, 1)[0].name)
      const deployments = () => a_view.db.from('deployments').select('name')
      assert.equal(await named(deployments().contains('host_ids', [devHost.id])), 'full')
      assert.equal(await named(deployments().overlaps('host_ids', [devHost.id, randomUUID()])), 'full')
      rows(await deployments().contains('host_ids', [randomUUID()]), 0)
      rows(await deployments().overlaps('host_ids', [randomUUID()]), 0)
      assert.equal(await named(deployments().eq('environment_vars->0->>name', 'STAGE')), 'full')
      const [picked] = rows(await a_view.db.from('deployments').select('environment_vars->0->>name')
        .not('environment_vars->0', 'is', null), 1)
      assert.deepEqual(picked, { name: 'STAGE' })
    })

    test('67 timestamps come without offset, timestamptz with one', async () => {
      const { created_at: plain } = ok(await a_dev.db.from('git_providers').select('created_at').single())
      assert.match(plain, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/)
      const { created_at: zoned } = ok(await a_view.db.from('deployments').select('created_at')
        .eq('id', deployment.id).single())
      assert.match(zoned, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/)
    })

    test('68 permissions are upserted by their natural key', async () => {
      const upsert = (member, can_execute) => member.db.from('permission_matrix').upsert(
        { team_id: teamA.id, profile_id: a_dev.id, resource_type: 'cicd_jobs', can_execute },
        { onConflict: 'team_id,profile_id,resource_type' }).select()
      const [given] = rows(await upsert(a_admin, true), 1)
      const [taken] = rows(await upsert(a_admin, false), 1)
      assert.equal(taken.id, given.id)
      assert.deepEqual([given.can_execute, taken.can_execute], [true, false])
      assert.equal(taken.can_insert, true)
      forbidden(await upsert(a_dev, true))
    })

    const runs = async (status) => {
      ok(await app.service.from('deployments').update({ status }).eq('id', deployment.id))
      return Promise.all(watches.map(async (watch) => (await watch.heard()).map((change) => change.new.status)))
    }

    test('70 colleagues watch a deployment run, the other tenant does not', async () => {
      await basalt.sql('alter publication supabase_realtime add table public.deployments')
      const members = [a_view, a_dev, b_admin]
      watches = await Promise.all(members.map((member) => Watch.start(basalt, member, 'deployments', { event: 'UPDATE' })))
      assert.deepEqual(await runs('running'), [['running'], ['running'], []])
    })

    test('69 a removed member sees no hosts with the same token', async () => {
      rows(await a_dev.db.from('hosts').select(), 2)
      rows(await a_admin.db.from('team_members').delete()
        .eq('team_id', teamA.id).eq('profile_id', a_dev.id).select(), 1)
      rows(await a_dev.db.from('hosts').select(), 0)
    })

    test('70 whoever was removed hears nothing more, without reconnecting', async () => {
      assert.deepEqual(await runs('success'), [['success'], [], []])
      await Promise.all(watches.map((watch) => watch.end()))
    })

    test('story: a tenant at its limit upgrades, and the other tenant gets nothing by any id', async () => {
      const attempt = () => a_admin.db.from('hosts').insert(host(teamA.id, a_admin.id, 'one more')).select()
      refused(await attempt(), 'P0001', 400)
      ok(await app.service.from('tenants').update({ subscription_tier_id: 'pro' }).eq('id', a.id))
      rows(await attempt(), 1)

      const learned = {
        hosts: devHost.id, deployments: deployment.id, repositories: repository.id, cicd_providers: ci.id,
        teams: teamA.id, tenants: a.id, profiles: a_admin.id,
      }
      for (const [table, id] of Object.entries(learned)) {
        rows(await b_admin.db.from(table).select().eq('id', id), 0)
        rows(await b_admin.db.from(table).delete().eq('id', id).select(), 0)
        rows(await a_admin.db.from(table).select('id').eq('id', id), 1)
      }
      rows(await b_admin.db.from('team_members').select().eq('team_id', teamA.id), 0)
      rows(await b_admin.db.from('permission_matrix').select().eq('team_id', teamA.id), 0)
      rows(await b_admin.db.from('deployments').update({ status: 'stolen' }).eq('id', deployment.id).select(), 0)
    })

    test('story: whoever leaves loses the session, and the rows stay without a creator', async () => {
      assert.equal((await app.service.auth.admin.signOut(a_dev.token, 'global')).error, null)
      const refresh = await app.visitor().auth.refreshSession({ refresh_token: a_dev.refreshToken })
      assert.ok(refresh.error, 'the refresh token of an ended session worked')
      assert.equal(refresh.data.session, null)
      assert.ok((await app.visitor().auth.getUser(a_dev.token)).error, 'the token of an ended session names its user')

      // The git token goes first: one cascade that both deletes a repository and clears the creator of a deployment
      // built from it fails in Postgres on the deployment's own foreign key.
      rows(await app.service.from('git_providers').delete().eq('profile_id', a_dev.id).select(), 1)
      assert.equal((await app.service.auth.admin.deleteUser(a_dev.id)).error, null)
      const kept = ok(await a_admin.db.from('deployments').select('creator_id,user_id,repository_id')
        .eq('id', deployment.id).single())
      assert.deepEqual(kept, { creator_id: null, user_id: null, repository_id: null })
      rows(await app.service.from('profiles').select().eq('id', a_dev.id), 0)
      rows(await a_dev.db.from('hosts').select(), 0)
    })
  })
}

for (const keySet of KEY_SETS) deploy(keySet)
