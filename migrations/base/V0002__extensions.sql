-- Extensions that every application expects. Those already installed stay in the schema they are in.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['uuid-ossp', 'pgcrypto', 'pg_stat_statements'] loop
    if not exists (select from pg_catalog.pg_available_extensions where name = wanted) then
      raise exception 'the extension % is not installed on the database server', wanted
        using hint = 'install the contrib modules of PostgreSQL (they come with Debian''s postgresql package)';
    end if;
    execute format('create extension if not exists %I with schema extensions', wanted);
  end loop;
end $$;

-- What an extension brings belongs to the administrator; the developer may use all of it and hand the right on.
grant usage on schema extensions to anon, authenticated, service_role;
grant usage, create on schema extensions to postgres with grant option;
grant all on schema extensions to dashboard_user;
grant all on all tables in schema extensions to postgres with grant option;
grant all on all sequences in schema extensions to postgres with grant option;
grant all on all routines in schema extensions to postgres with grant option;
alter default privileges for role supabase_admin in schema extensions grant all on tables to postgres with grant option;
alter default privileges for role supabase_admin in schema extensions grant all on sequences to postgres with grant option;
alter default privileges for role supabase_admin in schema extensions grant all on routines to postgres with grant option;
