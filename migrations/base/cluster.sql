-- Roles and what belongs to them. They live in the cluster and not in the database, so no dump of the database brings them along: this file
-- runs first whenever the owner `base` has something to do, and changes nothing that is already there. A role that an operator has
-- altered keeps its attributes and its settings.

-- The lock is on a catalogue shared by all databases: two of them may be prepared at the same time.
lock table pg_catalog.pg_authid in share row exclusive mode;

do $$
declare
  r record;
begin
  for r in
    select v.name, v.attributes
      from (values
        ('postgres',                   'login createdb createrole replication bypassrls'),
        ('anon',                       'nologin inherit'),
        ('authenticated',              'nologin inherit'),
        ('service_role',               'nologin inherit bypassrls'),
        ('authenticator',              'login noinherit'),
        ('supabase_auth_admin',        'login noinherit'),
        ('supabase_storage_admin',     'login noinherit createrole'),
        ('supabase_realtime_admin',    'login noinherit replication'),
        ('supabase_functions_admin',   'login noinherit createrole'),
        ('supabase_replication_admin', 'login replication'),
        ('supabase_etl_admin',         'login replication bypassrls'),
        ('supabase_read_only_user',    'login bypassrls'),
        ('dashboard_user',             'nologin createdb createrole replication'),
        ('pgbouncer',                  'login')) v(name, attributes)
     where not exists (select from pg_catalog.pg_roles where rolname = v.name)
  loop
    execute format('create role %I %s', r.name, r.attributes);
  end loop;
end $$;

-- Where it comes from Supabase or an older version, the service of channels cannot log in as its role yet.
do $$
begin
  if exists (select from pg_catalog.pg_roles
              where rolname = 'supabase_realtime_admin' and not (rolcanlogin and rolreplication)) then
    alter role supabase_realtime_admin login replication;
  end if;
end $$;

-- Who may become whom. `authenticator` reaches the three API roles and nothing else; `postgres`, the developer, owns what the services own,
-- so that migrations may write policies and triggers on their tables.
do $$
declare
  r record;
  admin text := '';
begin
  -- Since Postgres 16 altering or handing on a role takes ADMIN OPTION, where CREATEROLE was enough before.
  if current_setting('server_version_num')::int >= 160000 then
    admin := ' with admin option';
    execute 'grant authenticator to postgres with admin true, inherit false, set false';
  end if;
  for r in
    select v.role, v.member, v.suffix
      from (values
        ('anon',                     'authenticator',           ''),
        ('authenticated',            'authenticator',           ''),
        ('service_role',             'authenticator',           ''),
        ('authenticator',            'supabase_storage_admin',  ''),
        ('authenticator',            'supabase_realtime_admin', ''),
        ('anon',                     'postgres',                admin),
        ('authenticated',            'postgres',                admin),
        ('service_role',             'postgres',                admin),
        ('supabase_auth_admin',      'postgres',                ''),
        ('supabase_storage_admin',   'postgres',                ''),
        ('supabase_realtime_admin',  'postgres',                ''),
        ('supabase_functions_admin', 'postgres',                ''),
        ('pg_monitor',               'postgres',                ''),
        ('pg_read_all_data',         'postgres',                ''),
        ('pg_signal_backend',        'postgres',                ''),
        ('pg_read_all_data',         'supabase_read_only_user', ''),
        ('pg_read_all_data',         'supabase_etl_admin',      '')) v(role, member, suffix)
     where not exists (
       select from pg_catalog.pg_auth_members m
        where m.roleid = v.role::regrole and m.member = v.member::regrole
          and (m.admin_option or v.suffix = ''))
  loop
    execute format('grant %I to %I%s', r.role, r.member, r.suffix);
  end loop;
end $$;

-- Settings of roles, each only where none is set yet. The data API applies those of the role it switches to, since `set role` does not.
do $$
declare
  r record;
begin
  for r in
    select v.role, v.name, v.value
      from (values
        ('anon',                    'statement_timeout',                   '''3s'''),
        ('authenticated',           'statement_timeout',                   '''8s'''),
        ('authenticator',           'statement_timeout',                   '''8s'''),
        ('authenticator',           'lock_timeout',                        '''8s'''),
        ('supabase_auth_admin',     'search_path',                         'auth'),
        ('supabase_auth_admin',     'idle_in_transaction_session_timeout', '''60s'''),
        ('supabase_storage_admin',  'search_path',                         'storage'),
        ('supabase_realtime_admin', 'search_path',                         'public, extensions, realtime'),
        ('supabase_functions_admin', 'search_path',                        'supabase_functions'),
        ('supabase_read_only_user', 'default_transaction_read_only',       'on'),
        ('postgres',                'search_path',                         '"$user", public, extensions'),
        ('supabase_admin',          'search_path',                         '"$user", public, auth, extensions')) v(role, name, value)
     where not exists (
       select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c(line)
        where s.setrole = v.role::regrole and s.setdatabase = 0 and split_part(c.line, '=', 1) = v.name)
  loop
    execute format('alter role %I set %s to %s', r.role, r.name, r.value);
  end loop;
end $$;

-- Parameters that a developer stores although only a superuser may: restoring data with triggers off, and those that Postgres does not know
-- and therefore reserves, each by its name: the settings of the data API on `authenticator`, and what applications keep on the database.
do $$
declare
  parameter text;
begin
  foreach parameter in array array[
    'session_replication_role',
    'pgrst.db_schemas', 'pgrst.db_extra_search_path', 'pgrst.db_max_rows', 'pgrst.db_aggregates_enabled',
    'pgrst.db_plan_enabled', 'pgrst.db_tx_end', 'pgrst.db_pre_request', 'pgrst.db_prepared_statements',
    'pgrst.openapi_mode', 'pgrst.openapi_security_active', 'pgrst.openapi_server_proxy_uri',
    'app.settings.jwt_exp', 'app.settings.jwt_secret', 'app.settings.supabase_url', 'app.settings.anon_key',
    'app.settings.service_role_key']
  loop
    if not has_parameter_privilege('postgres', parameter, 'SET') then
      execute format('grant set on parameter %I to postgres', parameter);
    end if;
  end loop;
end $$;

-- Before Postgres 16 whoever may create roles may also grant every role that is no superuser: `postgres`, the developer, could so take the
-- operating system account of the server, and with it the vault's key. These four are nobody's login and inherit nothing, so calling
-- them superusers changes only who may grant them.
do $$
begin
  if current_setting('server_version_num')::int < 160000 then
    update pg_catalog.pg_authid set rolsuper = true
     where rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data')
       and not rolsuper;
  end if;
end $$;
