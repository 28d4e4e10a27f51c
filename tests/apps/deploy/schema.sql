-- A multi-tenant deployment console. Loads as role `postgres`, which is no superuser.

create table public.subscription_tiers (
  id text primary key, name text not null, description text,
  created_at timestamptz default current_timestamp, updated_at timestamptz default current_timestamp);
create table public.resource_limits (
  id uuid primary key default gen_random_uuid(),
  tier_id text not null references public.subscription_tiers(id) on delete cascade,
  resource_type text not null, max_count integer not null, is_unlimited boolean default false,
  created_at timestamptz default current_timestamp, updated_at timestamptz default current_timestamp,
  unique (tier_id, resource_type));
create table public.tenants (
  id text primary key default gen_random_uuid()::text, name text not null, domain text unique,
  created_at timestamptz not null default current_timestamp, updated_at timestamptz not null default current_timestamp,
  subscription_tier_id text references public.subscription_tiers(id), organization_id uuid);
create table public.profiles (
  id uuid primary key references auth.users(id) on delete cascade,
  avatar_url text, tenant_id text references public.tenants(id),
  role text default 'admin' check (role in ('admin','viewer','developer','tester')),
  tenant_name text default 'pro' check (tenant_name in ('trial','pro','tenant')));
create table public.teams (
  id uuid primary key default gen_random_uuid(), name text not null, description text,
  tenant_id text not null references public.tenants(id) on delete cascade,
  created_by uuid references public.profiles(id) on delete set null, is_default boolean default false,
  created_at timestamptz default current_timestamp, updated_at timestamptz default current_timestamp);
create table public.team_members (
  team_id uuid not null references public.teams(id) on delete cascade,
  profile_id uuid not null references public.profiles(id) on delete cascade,
  role text not null, created_at timestamptz default current_timestamp, updated_at timestamptz default current_timestamp,
  primary key (team_id, profile_id));
create table public.permission_matrix (
  id uuid primary key default gen_random_uuid(),
  team_id uuid references public.teams(id) on delete cascade,
  profile_id uuid references public.profiles(id) on delete cascade,
  resource_type text not null,
  can_select boolean default false, can_insert boolean default false, can_update boolean default false,
  can_delete boolean default false, can_update_own boolean default true, can_delete_own boolean default true,
  can_execute boolean default false,
  created_at timestamptz default now(), updated_at timestamptz default now(),
  unique (team_id, profile_id, resource_type));
create table public.role_templates (
  id uuid primary key default gen_random_uuid(), name text not null, permissions jsonb not null,
  created_at timestamptz default now(), updated_at timestamptz default now());
create table public.hosts (
  id text primary key default gen_random_uuid()::text, name text not null, description text, type text not null,
  ip text not null, port integer check (port between 1 and 65535), "user" text, password text,
  status text not null default 'pending', is_windows boolean not null default false,
  created_at timestamptz not null default current_timestamp, updated_at timestamptz not null default current_timestamp,
  team_id uuid references public.teams(id) on delete cascade, creator_id uuid references public.profiles(id) on delete set null);
create table public.git_providers (
  id uuid primary key default gen_random_uuid(), profile_id uuid not null references public.profiles(id) on delete cascade,
  type text not null check (type in ('github','gitlab','gitea')), name text not null, display_name text, server_url text,
  access_token text, refresh_token text, expires_at timestamp, is_configured boolean default false, last_synced timestamp,
  created_at timestamp default now(), updated_at timestamp default now());
create table public.repositories (
  id uuid primary key default gen_random_uuid(), provider_id uuid not null references public.git_providers(id) on delete cascade,
  provider_type text not null, name text not null, description text, owner text, url text,
  is_private boolean default false, default_branch text default 'main', language text,
  sync_status text default 'IDLE' check (sync_status in ('IDLE','SYNCING','SYNCED','ERROR')), last_synced_at timestamp, error text,
  created_at timestamp default now(), updated_at timestamp default now(),
  team_id uuid references public.teams(id) on delete cascade, creator_id uuid references public.profiles(id) on delete set null);
create table public.profile_repository_pins (
  profile_id uuid not null references public.profiles(id) on delete cascade,
  repository_id uuid not null references public.repositories(id) on delete cascade,
  created_at timestamp default now(), primary key (repository_id, profile_id));
create table public.cicd_providers (
  id uuid primary key default gen_random_uuid(), type text not null, name text not null, url text not null,
  config jsonb not null, created_at timestamptz default now(), updated_at timestamptz default now(),
  tenant_id text references public.tenants(id), team_id uuid references public.teams(id) on delete cascade,
  creator_id uuid references public.profiles(id) on delete set null, port integer check (port between 1 and 65535));
create table public.cicd_jobs (
  id uuid primary key default gen_random_uuid(), provider_id uuid references public.cicd_providers(id) on delete cascade,
  external_id text not null, name text not null, description text, parameters jsonb,
  created_at timestamptz default now(), updated_at timestamptz default now(),
  creator_id uuid references public.profiles(id) on delete set null, team_id uuid references public.teams(id) on delete cascade);
create table public.deployments (
  id uuid primary key default gen_random_uuid(), name text not null, description text,
  repository_id uuid references public.repositories(id) on delete set null, status text not null default 'pending',
  schedule_type text, scheduled_time timestamptz, scripts_path text[], host_ids uuid[],
  user_id uuid references public.profiles(id) on delete set null,
  created_at timestamptz default now(), started_at timestamptz, completed_at timestamptz, updated_at timestamptz default now(),
  cron_expression text, repeat_count integer default 0, environment_vars jsonb default '[]',
  tenant_id text references public.tenants(id), scripts_parameters text[],
  team_id uuid references public.teams(id) on delete cascade, creator_id uuid references public.profiles(id) on delete set null,
  cicd_provider_id uuid references public.cicd_providers(id) on delete set null);
create table public.deployment_cicd_mappings (
  id uuid primary key default gen_random_uuid(), deployment_id uuid references public.deployments(id) on delete cascade,
  cicd_job_id uuid references public.cicd_jobs(id) on delete cascade, parameters jsonb, build_number text, build_url text,
  created_at timestamptz default now(), updated_at timestamptz default now());

create index on public.profiles (tenant_id);
create index on public.teams (tenant_id);
create index on public.team_members (profile_id);
create index on public.permission_matrix (profile_id, team_id, resource_type);
create index on public.hosts (team_id);
create index on public.repositories (team_id);
create index on public.repositories (provider_id);
create index on public.deployments (team_id, created_at desc);
create index on public.deployments (repository_id);
create index on public.deployments (cicd_provider_id);
create index on public.cicd_providers (team_id);
create index on public.cicd_jobs (team_id);
create index on public.cicd_jobs (provider_id);
create index on public.git_providers (profile_id);
create index on public.deployment_cicd_mappings (deployment_id);
create index on public.deployment_cicd_mappings (cicd_job_id);

create schema if not exists private;
grant usage on schema private to authenticated, service_role;

create or replace function private.my_tenant() returns text
language sql stable security definer set search_path = '' as
$$ select p.tenant_id from public.profiles p where p.id = (select auth.uid()) $$;
create or replace function private.my_teams() returns setof uuid
language sql stable security definer set search_path = '' as
$$ select tm.team_id from public.team_members tm where tm.profile_id = (select auth.uid()) $$;
create or replace function private.am_tenant_admin() returns boolean
language sql stable security definer set search_path = '' as
$$ select coalesce((select p.role = 'admin' from public.profiles p where p.id = (select auth.uid())), false) $$;

create or replace function public.check_permission(
  p_profile_id uuid, p_team_id uuid, p_resource_type text, p_operation text, p_is_own_resource boolean default false)
returns boolean language plpgsql stable security definer set search_path = '' as $$
declare v_result boolean;
begin
  if p_profile_id is distinct from (select auth.uid())
     and coalesce((select auth.role()), '') <> 'service_role' then
    return false;
  end if;
  select case p_operation
      when 'select' then can_select
      when 'insert' then can_insert
      when 'update' then can_update or (p_is_own_resource and can_update_own)
      when 'delete' then can_delete or (p_is_own_resource and can_delete_own)
      when 'execute' then can_execute
      else false end
    into v_result
    from public.permission_matrix
   where profile_id = p_profile_id and team_id = p_team_id and resource_type = p_resource_type;
  return coalesce(v_result, false);
end $$;

create or replace function public.get_user_teams(p_profile_id uuid) returns setof public.teams
language sql stable security invoker set search_path = '' as
$$ select t.* from public.teams t join public.team_members tm on t.id = tm.team_id where tm.profile_id = p_profile_id $$;

do $$ declare t text; begin
  foreach t in array array['subscription_tiers','resource_limits','tenants','profiles','teams','team_members','permission_matrix',
    'role_templates','hosts','git_providers','repositories','profile_repository_pins','cicd_providers','cicd_jobs','deployments',
    'deployment_cicd_mappings'] loop
    execute format('alter table public.%I enable row level security', t);
  end loop;
end $$;

create policy tiers_read on public.subscription_tiers for select to authenticated using (true);
create policy limits_read on public.resource_limits for select to authenticated using (true);
create policy templates_read on public.role_templates for select to authenticated using (true);
create policy tenants_read on public.tenants for select to authenticated using (id = (select private.my_tenant()));
create policy tenants_edit on public.tenants for update to authenticated
  using (id = (select private.my_tenant()) and (select private.am_tenant_admin()))
  with check (id = (select private.my_tenant()));
create policy profiles_read on public.profiles for select to authenticated
  using (id = (select auth.uid()) or tenant_id = (select private.my_tenant()));
create policy profiles_edit on public.profiles for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()) and tenant_id is not distinct from (select private.my_tenant()));
revoke update on public.profiles from authenticated, anon;
grant update (avatar_url) on public.profiles to authenticated;
create policy teams_read on public.teams for select to authenticated using (tenant_id = (select private.my_tenant()));
create policy teams_write on public.teams for all to authenticated
  using (tenant_id = (select private.my_tenant()) and (select private.am_tenant_admin()))
  with check (tenant_id = (select private.my_tenant()) and (select private.am_tenant_admin()));
create policy members_read on public.team_members for select to authenticated
  using (exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant())));
create policy members_write on public.team_members for all to authenticated
  using ((select private.am_tenant_admin()) and exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant())))
  with check ((select private.am_tenant_admin())
    and exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant()))
    and exists (select 1 from public.profiles p where p.id = profile_id and p.tenant_id = (select private.my_tenant())));
create policy matrix_read on public.permission_matrix for select to authenticated
  using (profile_id = (select auth.uid()) or ((select private.am_tenant_admin())
    and exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant()))));
create policy matrix_write on public.permission_matrix for all to authenticated
  using ((select private.am_tenant_admin()) and exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant())))
  with check ((select private.am_tenant_admin()) and exists (select 1 from public.teams t where t.id = team_id and t.tenant_id = (select private.my_tenant())));
create policy providers_own on public.git_providers for all to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy pins_own on public.profile_repository_pins for all to authenticated
  using (profile_id = (select auth.uid()))
  with check (profile_id = (select auth.uid()) and exists (select 1 from public.repositories r where r.id = repository_id));

do $$ declare t text; begin
  foreach t in array array['hosts','repositories','cicd_providers','cicd_jobs','deployments'] loop
    execute format('create policy %1$s_read on public.%1$I for select to authenticated using (team_id in (select private.my_teams()))', t);
    execute format('create policy %1$s_add on public.%1$I for insert to authenticated with check (team_id in (select private.my_teams())
      and creator_id = (select auth.uid()) and public.check_permission((select auth.uid()), team_id, %1$L, ''insert''))', t);
    execute format('create policy %1$s_edit on public.%1$I for update to authenticated
      using (public.check_permission((select auth.uid()), team_id, %1$L, ''update'', creator_id = (select auth.uid())))
      with check (team_id in (select private.my_teams())
        and public.check_permission((select auth.uid()), team_id, %1$L, ''update'', creator_id = (select auth.uid())))', t);
    execute format('create policy %1$s_remove on public.%1$I for delete to authenticated
      using (public.check_permission((select auth.uid()), team_id, %1$L, ''delete'', creator_id = (select auth.uid())))', t);
  end loop;
end $$;
create policy deployments_run on public.deployments for update to authenticated
  using (public.check_permission((select auth.uid()), team_id, 'deployments', 'execute', creator_id = (select auth.uid())))
  with check (team_id in (select private.my_teams())
    and public.check_permission((select auth.uid()), team_id, 'deployments', 'execute', creator_id = (select auth.uid())));
create policy mappings_read on public.deployment_cicd_mappings for select to authenticated
  using (exists (select 1 from public.deployments d where d.id = deployment_id));
create policy mappings_write on public.deployment_cicd_mappings for all to authenticated
  using (exists (select 1 from public.deployments d where d.id = deployment_id
    and public.check_permission((select auth.uid()), d.team_id, 'deployments', 'execute', d.creator_id = (select auth.uid()))))
  with check (exists (select 1 from public.deployments d where d.id = deployment_id
    and public.check_permission((select auth.uid()), d.team_id, 'deployments', 'execute', d.creator_id = (select auth.uid()))));

create or replace function private.enforce_limit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare v_max integer; v_count bigint; v_tenant text;
begin
  select t.tenant_id into v_tenant from public.teams t where t.id = new.team_id;
  perform pg_advisory_xact_lock(hashtextextended(v_tenant || ':' || tg_table_name, 0));
  select l.max_count into v_max
    from public.tenants te join public.resource_limits l on l.tier_id = te.subscription_tier_id
   where te.id = v_tenant and l.resource_type = tg_table_name and not coalesce(l.is_unlimited, false);
  if v_max is null then return new; end if;
  execute format('select count(*) from public.%I x join public.teams t on t.id = x.team_id where t.tenant_id = $1', tg_table_name)
    into v_count using v_tenant;
  if v_count >= v_max then
    raise exception 'limit of % % reached', v_max, tg_table_name using errcode = 'P0001', hint = 'upgrade the subscription';
  end if;
  return new;
end $$;
create trigger hosts_limit before insert on public.hosts for each row execute function private.enforce_limit();
create trigger repositories_limit before insert on public.repositories for each row execute function private.enforce_limit();

create or replace function public.set_host_password(p_host_id text, p_password text) returns void
language plpgsql security definer set search_path = '' as $$
declare h public.hosts;
begin
  select * into h from public.hosts where id = p_host_id for update;
  if h.id is null or not public.check_permission((select auth.uid()), h.team_id, 'hosts', 'update', h.creator_id = (select auth.uid())) then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  if h.password is null then
    update public.hosts set password = vault.create_secret(p_password, 'host:' || h.id)::text, updated_at = now() where id = h.id;
  else
    perform vault.update_secret(h.password::uuid, p_password);
  end if;
end $$;
create or replace function public.reveal_host_password(p_host_id text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare h public.hosts;
begin
  select * into h from public.hosts where id = p_host_id;
  if h.id is null or not public.check_permission((select auth.uid()), h.team_id, 'hosts', 'execute', h.creator_id = (select auth.uid())) then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  return (select s.decrypted_secret from vault.decrypted_secrets s where s.id = h.password::uuid);
end $$;
create or replace function private.drop_host_secret() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from vault.secrets where id = old.password::uuid;
  return old;
end $$;
create trigger drop_host_secret after delete on public.hosts
  for each row when (old.password is not null) execute function private.drop_host_secret();
revoke all on function public.set_host_password(text, text), public.reveal_host_password(text),
  public.check_permission(uuid, uuid, text, text, boolean), public.get_user_teams(uuid) from public, anon;
revoke insert, update on public.hosts from anon, authenticated;
grant insert (id, name, description, type, ip, port, "user", status, is_windows, team_id, creator_id),
      update (name, description, type, ip, port, "user", status, is_windows, team_id, updated_at) on public.hosts to authenticated;
