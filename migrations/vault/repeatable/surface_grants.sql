-- Rights to the letter of Supabase Vault: reading and deleting for the developer and the service role, writing through functions only, nothing
-- for anybody else. A view calls functions with the reader's rights, so readers hold the one that opens a secret, bound to its row.
do $$
declare
  routine regprocedure;
begin
  for routine in
    select p.oid::regprocedure from pg_catalog.pg_proc p where p.pronamespace = 'vault'::regnamespace
  loop
    execute format('alter function %s owner to supabase_admin', routine);
    execute format('revoke all on function %s from public', routine);
  end loop;
end $$;
alter table vault.secrets owner to supabase_admin;
alter view vault.decrypted_secrets owner to supabase_admin;

grant usage on schema vault to postgres with grant option;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea),
  vault._open(uuid, text)
  to postgres with grant option;

grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea),
  vault._open(uuid, text)
  to service_role;
