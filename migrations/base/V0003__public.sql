-- The application's own schema. Applied once: what an operator later grants or revokes here is his.
-- Privileges on objects that `postgres` will create are a setting: repeatable/exposure.sql.
grant all on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on routines to postgres, anon, authenticated, service_role;
