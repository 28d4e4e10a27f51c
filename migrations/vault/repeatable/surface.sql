-- What applications call: names, arguments and results of Supabase Vault 0.3.
create or replace view vault.decrypted_secrets as
select s.id,
       s.name,
       s.description,
       s.secret,
       vault._open(s.id, s.secret) as decrypted_secret,
       s.key_id,
       s.nonce,
       s.created_at,
       s.updated_at
  from vault.secrets s;

create or replace function vault.create_secret(
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null)
returns uuid language plpgsql volatile security definer set search_path = '' as $$
declare
  new_id uuid := pg_catalog.gen_random_uuid();
begin
  insert into vault.secrets (id, secret, name, description)
  values (new_id, vault._seal(new_id, new_secret), new_name, new_description);
  return new_id;
end $$;

create or replace function vault.update_secret(
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null)
returns void language plpgsql volatile security definer set search_path = '' as $$
begin
  update vault.secrets s
     set secret = case when new_secret is null then s.secret else vault._seal(s.id, new_secret) end,
         name = coalesce(new_name, s.name),
         description = coalesce(new_description, s.description),
         updated_at = pg_catalog.now()
   where s.id = secret_id;
end $$;

-- The primitives of the original exist under their names. Without its library there is no such cipher: what can be decrypted is the content of
-- a row of ours, and nothing can be encrypted outside one.
create or replace function vault._crypto_aead_det_encrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null)
returns bytea language plpgsql volatile security definer set search_path = '' as $$
begin
  raise exception 'vault: deterministic encryption is not available on this server'
    using errcode = 'feature_not_supported', hint = 'use vault.create_secret';
end $$;

create or replace function vault._crypto_aead_det_decrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null)
returns bytea language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  found vault.secrets;
begin
  select s.* into found
    from vault.secrets s
   where key_id = 0
     and pg_catalog.convert_to(s.id::text, 'utf8') = additional
     and s.secret = 'b1:' || pg_catalog.translate(pg_catalog.encode(message, 'base64'), E'\n', '');
  if found.id is null then
    raise exception 'vault: deterministic decryption is not available on this server'
      using errcode = 'feature_not_supported', hint = 'read vault.decrypted_secrets';
  end if;
  return pg_catalog.convert_to(vault._open(found.id, found.secret), 'utf8');
end $$;
