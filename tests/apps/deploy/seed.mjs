// Two tenants of the deployment console, made the way its server part makes them: with the service key.
import { ok } from '../../clients/js/expect.mjs'

const RESOURCES = ['hosts', 'repositories', 'cicd_providers', 'cicd_jobs', 'deployments']
const TEMPLATES = {
  admin: { can_select: true, can_insert: true, can_update: true, can_delete: true, can_execute: true },
  developer: { can_select: true, can_insert: true },
  viewer: { can_select: true },
}

export const host = (team_id, creator_id, name, more = {}) => (
  { team_id, creator_id, name, type: 'vm', ip: '192.0.2.1', port: 22, ...more })

// The rows that give a member the rights of a role template in one team.
export const grants = (team_id, profile_id, template) =>
  RESOURCES.map((resource_type) => ({ team_id, profile_id, resource_type, ...TEMPLATES[template] }))

export async function seedTiers(service) {
  ok(await service.from('subscription_tiers').insert([{ id: 'free', name: 'Free' }, { id: 'pro', name: 'Pro' }]))
  ok(await service.from('resource_limits').insert([
    { tier_id: 'free', resource_type: 'hosts', max_count: 2, is_unlimited: false },
    { tier_id: 'pro', resource_type: 'hosts', max_count: 0, is_unlimited: true },
  ]))
}

export async function createTenant(service, name, subscription_tier_id) {
  return ok(await service.from('tenants').insert({ name, subscription_tier_id }).select().single())
}

export async function createProfile(app, name, tenant_id, role) {
  const member = await app.createMember(name)
  ok(await app.service.from('profiles').insert({ id: member.id, tenant_id, role }))
  return member
}

export async function createTeam(service, tenant_id, name, created_by) {
  return ok(await service.from('teams').insert({ tenant_id, name, created_by }).select().single())
}

export async function join(service, team_id, member, template) {
  ok(await service.from('team_members').insert({ team_id, profile_id: member.id, role: template }))
  ok(await service.from('permission_matrix').insert(grants(team_id, member.id, template)))
}

// Tenant A (tier free: two hosts) with a_admin, a_dev, a_view; tenant B (pro) with b_admin, b_dev; and `lost`, whose
// profile belongs to no tenant.
export async function seed(app) {
  const { service } = app
  await seedTiers(service)
  const a = await createTenant(service, 'Tenant A', 'free')
  const b = await createTenant(service, 'Tenant B', 'pro')
  const who = {
    a_admin: await createProfile(app, 'a_admin', a.id, 'admin'),
    a_dev: await createProfile(app, 'a_dev', a.id, 'developer'),
    a_view: await createProfile(app, 'a_view', a.id, 'viewer'),
    b_admin: await createProfile(app, 'b_admin', b.id, 'admin'),
    b_dev: await createProfile(app, 'b_dev', b.id, 'developer'),
    lost: await createProfile(app, 'lost', null, 'viewer'),
  }
  const teamA = await createTeam(service, a.id, 'Team A', who.a_admin.id)
  const teamB = await createTeam(service, b.id, 'Team B', who.b_admin.id)
  await join(service, teamA.id, who.a_admin, 'admin')
  await join(service, teamA.id, who.a_dev, 'developer')
  await join(service, teamA.id, who.a_view, 'viewer')
  await join(service, teamB.id, who.b_admin, 'admin')
  await join(service, teamB.id, who.b_dev, 'developer')
  return { a, b, teamA, teamB, ...who }
}
