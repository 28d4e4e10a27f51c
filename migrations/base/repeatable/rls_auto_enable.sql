-- Setting basalt.rls_auto_enable: whether row-level security is switched on for every new table in `public`, so that a table without
-- policies shows nothing instead of everything.
create or replace function extensions.rls_auto_enable() returns event_trigger
language plpgsql set search_path = '' as $$
declare
  made record;
begin
  for made in
    select c.object_identity
      from pg_catalog.pg_event_trigger_ddl_commands() c
     where c.schema_name = 'public' and c.object_type = 'table' and not c.in_extension
  loop
    execute pg_catalog.format('alter table %s enable row level security', made.object_identity);
  end loop;
end $$;

do $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger
     where evtname = 'ensure_rls' and evtfoid = 'extensions.rls_auto_enable()'::regprocedure)
  then
    drop event trigger ensure_rls;
  end if;
  if current_setting('basalt.rls_auto_enable')::boolean
     and not exists (select from pg_catalog.pg_event_trigger where evtname = 'ensure_rls')
  then
    create event trigger ensure_rls on ddl_command_end
      when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
      execute function extensions.rls_auto_enable();
  end if;
end $$;
