-- Tells whoever listens on `pgrst` that the shape of the database has changed: one notification per statement that matters to the data API.
-- The schemas of the services are left out, as no client sees them.
create or replace function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_ddl_commands() c
     where c.command_tag in (
             'CREATE SCHEMA', 'ALTER SCHEMA',
             'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
             'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
             'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
             'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE',
             'CREATE TYPE', 'ALTER TYPE', 'CREATE RULE', 'CREATE TRIGGER', 'COMMENT')
       and coalesce(c.schema_name, '') not in ('pg_temp', 'auth', 'storage', 'realtime', '_realtime', 'vault', 'basalt'))
  then
    notify pgrst, 'reload schema';
  end if;
end $$;

create or replace function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_dropped_objects() o
     where not o.is_temporary
       and o.object_type in (
             'schema', 'table', 'foreign table', 'view', 'materialized view',
             'function', 'procedure', 'type', 'rule', 'trigger')
       and coalesce(o.schema_name, '') not in ('auth', 'storage', 'realtime', '_realtime', 'vault', 'basalt'))
  then
    notify pgrst, 'reload schema';
  end if;
end $$;

do $$
begin
  if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgrst_ddl_watch') then
    create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
  end if;
  if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgrst_drop_watch') then
    create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
  end if;
end $$;
