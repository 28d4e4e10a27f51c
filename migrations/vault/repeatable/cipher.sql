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
  key := vault._key();
  begin
    plain := extensions.pgp_sym_decrypt(pg_catalog.decode(pg_catalog.substr(sealed, 4), 'base64'), key);
  exception when external_routine_invocation_exception or invalid_parameter_value then
    raise exception 'vault: the secret % was sealed with another key or is damaged', row_id
      using errcode = 'data_corrupted';
  end;
  if pg_catalog.left(plain, 37) <> row_id::text || pg_catalog.chr(31) then
    raise exception 'vault: the secret % belongs to another row', row_id
      using errcode = 'data_corrupted';
  end if;
  return pg_catalog.substr(plain, 38);
end $$;
