-- The keys that open secrets, the one that seals them first: `vault._keys()`, which the server makes when it starts. Until then this stands in.
do $do$
begin
  if to_regprocedure('vault._keys()') is null then
    create function vault._keys() returns text[]
    language plpgsql stable security definer set search_path = '' as $$
    begin
      raise exception 'vault: no key is configured' using errcode = 'config_file_error';
    end $$;
  end if;
end $do$;

create or replace function vault._key() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (vault._keys())[1];
end $$;

-- Sealing and opening, by pgcrypto with the server's key. A sealed secret is `b1:` and base64 of an OpenPGP message; the id of the row is part
-- of the plain text, so that a secret moved to another row is refused.
create or replace function vault._seal(row_id uuid, plain text) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  return 'b1:' || pg_catalog.translate(
    pg_catalog.encode(
      extensions.pgp_sym_encrypt(
        row_id::text || pg_catalog.chr(31) || plain, vault._key(),
        'cipher-algo=aes256, s2k-mode=1, compress-algo=0'),
      'base64'),
    E'\n', '');
end $$;

create or replace function vault._open(row_id uuid, sealed text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  plain text;
  key text;
begin
  if sealed is null then
    return null;
  end if;
  if sealed not like 'b1:%' then
    raise exception 'vault: the secret % is in a format that this server cannot open', row_id
      using errcode = 'feature_not_supported',
            hint = 'write it again with vault.update_secret';
  end if;
  -- Two while keys are being exchanged.
  foreach key in array vault._keys() loop
    begin
      plain := extensions.pgp_sym_decrypt(pg_catalog.decode(pg_catalog.substr(sealed, 4), 'base64'), key);
      exit;
    exception when external_routine_invocation_exception or invalid_parameter_value then
      null;
    end;
  end loop;
  if plain is null then
    raise exception 'vault: the secret % was sealed with another key or is damaged', row_id
      using errcode = 'data_corrupted';
  end if;
  if pg_catalog.left(plain, 37) <> row_id::text || pg_catalog.chr(31) then
    raise exception 'vault: the secret % belongs to another row', row_id
      using errcode = 'data_corrupted';
  end if;
  return pg_catalog.substr(plain, 38);
end $$;

-- The same secret, sealed with the key of today; null if no key opens it.
create or replace function vault._reseal(row_id uuid, sealed text) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  return vault._seal(row_id, vault._open(row_id, sealed));
exception when data_corrupted then
  return null;
end $$;
