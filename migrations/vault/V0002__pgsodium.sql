-- Where older applications look for keys. There is no pgsodium: what is here is shown by a view (repeatable/pgsodium.sql).
do $$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pgsodium') then
    return;
  end if;
  create schema if not exists pgsodium;
  if to_regtype('pgsodium.key_status') is null then
    create type pgsodium.key_status as enum ('default', 'valid', 'invalid', 'expired');
  end if;
  if to_regtype('pgsodium.key_type') is null then
    create type pgsodium.key_type as enum (
      'aead-ietf', 'aead-det', 'hmacsha512', 'hmacsha256', 'auth', 'shorthash', 'generichash', 'kdf', 'secretbox',
      'secretstream', 'stream_xchacha20');
  end if;
end $$;
