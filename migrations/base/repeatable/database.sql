-- Owner, rights and settings of the database itself. Neither a dump nor `create database … template` carries them.
do $$
declare
  name text := current_database();
  jwt_exp text := nullif(current_setting('basalt.jwt_exp', true), '');
begin
  execute format('alter database %I owner to postgres', name);
  execute format('grant create on database %I to supabase_auth_admin, supabase_storage_admin', name);
  execute format('grant all on database %I to dashboard_user', name);
  if jwt_exp is not null then
    execute format('alter database %I set "app.settings.jwt_exp" to %L', name, jwt_exp);
  end if;
end $$;
