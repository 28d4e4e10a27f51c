-- `pgsodium.key` and `pgsodium.valid_key`, with the columns of pgsodium 3.1, for applications that look which key is in use. One row: the
-- vault's key, as supabase_vault 0.3 uses it (derived, id 0). The key itself is in no column, and no keys are made here. A view of constants takes no writes.
do $do$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pgsodium') then
    return;
  end if;
  create or replace view pgsodium.key as
  select '00000000-0000-0000-0000-000000000000'::uuid as id,
         'valid'::pgsodium.key_status as status,
         coalesce((select min(s.created_at) from vault.secrets s), pg_catalog.pg_postmaster_start_time()) as created,
         null::timestamptz as expires,
         'aead-det'::pgsodium.key_type as key_type,
         0::bigint as key_id,
         'pgsodium'::bytea as key_context,
         'vault'::text as name,
         ''::text as associated_data,
         null::bytea as raw_key,
         null::bytea as raw_key_nonce,
         null::uuid as parent_key,
         'The key of the vault, which lies outside the database.'::text as comment,
         null::text as user_data;

  create or replace view pgsodium.valid_key as
  select k.id, k.name, k.status, k.key_type, k.key_id, k.key_context, k.created, k.expires, k.associated_data
    from pgsodium.key k
   where k.status in ('valid', 'default');

  alter schema pgsodium owner to supabase_admin;
  alter type pgsodium.key_status owner to supabase_admin;
  alter type pgsodium.key_type owner to supabase_admin;
  alter view pgsodium.key owner to supabase_admin;
  alter view pgsodium.valid_key owner to supabase_admin;
  revoke all on schema pgsodium from public;
  grant usage on schema pgsodium to postgres, service_role;
  revoke all on pgsodium.key, pgsodium.valid_key from public;
  grant select on pgsodium.key, pgsodium.valid_key to postgres with grant option;
  grant select on pgsodium.valid_key to service_role;
end $do$;
