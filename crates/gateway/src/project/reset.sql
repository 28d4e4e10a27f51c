-- Takes away what a project has made, as `supabase db reset` does, by the role that made it. What belongs to
-- `supabase_admin` is the platform's and stays, emptied where it holds data of users.
do $$
declare
  found record;
  kept constant text[] := '{_analytics,_realtime,_supavisor,pgbouncer,pgmq,pgsodium,pgtle,supabase_migrations,vault,extensions,public}';
begin
  -- Extensions first: they take their own objects along.
  for found in
    select extname from pg_catalog.pg_extension
    where extname not in ('pg_graphql', 'pg_net', 'pg_stat_statements', 'pgcrypto', 'pgjwt', 'pgsodium', 'plpgsql',
                          'supabase_vault', 'uuid-ossp')
  loop
    execute pg_catalog.format('drop extension if exists %I cascade', found.extname);
  end loop;

  for found in
    select nspname from pg_catalog.pg_namespace
    where nspname <> all (kept)
      and nspname !~ '^pg_' and nspname <> 'information_schema'
      and nspowner <> (select oid from pg_catalog.pg_roles where rolname = 'supabase_admin')
  loop
    execute pg_catalog.format('drop schema if exists %I cascade', found.nspname);
  end loop;

  for found in select schemaname, tablename, policyname from pg_catalog.pg_policies loop
    execute pg_catalog.format('drop policy if exists %I on %I.%I cascade', found.policyname, found.schemaname, found.tablename);
  end loop;

  -- Triggers on tables of the platform, whose functions go below.
  for found in
    select t.tgname, t.tgrelid::regclass as relation
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and p.pronamespace = 'public'::regnamespace
  loop
    execute pg_catalog.format('drop trigger if exists %I on %s', found.tgname, found.relation);
  end loop;

  for found in
    select c.oid::regclass as relation,
           case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                          when 'f' then 'foreign table' else 'table' end as kind
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  loop
    -- Gone already with what it belonged to.
    continue when pg_catalog.to_regclass(found.relation::text) is null;
    execute pg_catalog.format('drop %s if exists %s cascade', found.kind, found.relation);
  end loop;

  for found in
    select p.oid, p.oid::regprocedure as routine,
           case p.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end as kind
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
  loop
    continue when not exists (select from pg_catalog.pg_proc where oid = found.oid);
    execute pg_catalog.format('drop %s if exists %s cascade', found.kind, found.routine);
  end loop;

  for found in
    select t.oid, pg_catalog.format('%I.%I', 'public', t.typname) as name,
           case t.typtype when 'd' then 'domain' else 'type' end as kind
    from pg_catalog.pg_type t
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where t.typnamespace = 'public'::regnamespace
      and t.typtype in ('d', 'e', 'r', 'c') and (t.typtype <> 'c' or c.relkind = 'c')
  loop
    continue when not exists (select from pg_catalog.pg_type where oid = found.oid);
    execute pg_catalog.format('drop %s if exists %s cascade', found.kind, found.name);
  end loop;

  for found in
    select c.oid::regclass as relation
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and (n.nspname = 'auth' and c.relname <> 'schema_migrations'
           or n.nspname = 'supabase_functions' and c.relname <> 'migrations'
           or n.nspname = 'supabase_migrations')
      and pg_catalog.has_table_privilege(c.oid, 'truncate')
  loop
    execute pg_catalog.format('truncate %s restart identity cascade', found.relation);
  end loop;

  for found in
    select pubname from pg_catalog.pg_publication
    where pubname not like 'supabase\_realtime%' and pubname not like 'realtime\_messages%'
  loop
    execute pg_catalog.format('drop publication if exists %I', found.pubname);
  end loop;
end $$
