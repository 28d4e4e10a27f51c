-- Setting basalt.auto_expose_new_tables: whether tables, sequences and functions that `postgres` creates in `public` are reachable for the
-- API roles at once (rows are still a matter of policies), or only after an explicit grant. Existing objects are left alone.
-- Keep this text as it is when possible: a change runs it again and overrules default privileges set by hand.
alter default privileges for role postgres in schema public grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on routines to postgres, anon, authenticated, service_role;

do $$
begin
  if not current_setting('basalt.auto_expose_new_tables')::boolean then
    alter default privileges for role postgres in schema public
      revoke select, insert, update, delete on tables from anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      revoke usage, select on sequences from anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      revoke execute on routines from anon, authenticated, service_role;
  end if;
end $$;
