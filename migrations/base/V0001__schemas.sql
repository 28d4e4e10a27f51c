-- The schemas of the platform. All belong to the administrator: client tools that reset a database drop every schema that does not.
-- `basalt` is made by the migration runner, which keeps its history there.
do $$
declare
  name text;
begin
  foreach name in array array['extensions', 'auth', 'storage', 'realtime', 'vault', 'graphql_public', 'basalt'] loop
    execute format('create schema if not exists %I', name);
    execute format('alter schema %I owner to supabase_admin', name);
  end loop;
end $$;
