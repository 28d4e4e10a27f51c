-- Secrets, with the columns of Supabase Vault 0.3. The column `secret` is never plain text; nobody but its functions writes it.
do $$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pgcrypto') then
    raise exception 'the vault needs the extension pgcrypto';
  end if;
end $$;

create or replace function vault._crypto_aead_det_noncegen() returns bytea
language sql volatile security definer set search_path = '' as $$
  select extensions.gen_random_bytes(16)
$$;

create table if not exists vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea default vault._crypto_aead_det_noncegen(),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
create unique index if not exists secrets_name_idx on vault.secrets (name) where name is not null;
comment on table vault.secrets is 'Table with encrypted `secret` column for storing sensitive information on disk.';

-- Stands in until the server has told the database where the key is.
do $do$
begin
  if to_regprocedure('vault._key()') is null then
    create function vault._key() returns text
    language plpgsql stable security definer set search_path = '' as $$
    begin
      raise exception 'vault: no key is configured' using errcode = 'config_file_error';
    end $$;
  end if;
end $do$;
