-- The functions of the extension pgjwt, for servers that do not have it: JSON Web Tokens with a shared secret, on pgcrypto's hmac.
do $do$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pgjwt') then
    return;
  end if;

  create or replace function extensions.url_encode(data bytea) returns text
  language sql immutable parallel safe as $$
    select translate(encode(data, 'base64'), E'+/=\n', '-_')
  $$;

  create or replace function extensions.url_decode(data text) returns bytea
  language sql immutable parallel safe as $$
    select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
  $$;

  create or replace function extensions.algorithm_sign(signables text, secret text, algorithm text) returns text
  language sql immutable parallel safe as $$
    select extensions.url_encode(extensions.hmac(signables, secret, case algorithm
      when 'HS256' then 'sha256'
      when 'HS384' then 'sha384'
      when 'HS512' then 'sha512'
      else '' end))
  $$;

  create or replace function extensions.sign(payload json, secret text, algorithm text default 'HS256') returns text
  language sql immutable parallel safe as $$
    select t.signables || '.' || extensions.algorithm_sign(t.signables, secret, algorithm)
      from (select extensions.url_encode(convert_to(format('{"alg":"%s","typ":"JWT"}', algorithm), 'utf8'))
                   || '.' || extensions.url_encode(convert_to(payload::text, 'utf8'))) t(signables)
  $$;

  create or replace function extensions.try_cast_double(inp text) returns double precision
  language plpgsql immutable parallel safe as $$
  begin
    return inp::double precision;
  exception when others then
    return null;
  end $$;

  -- A token is valid when its signature is and the present lies between `nbf` and `exp`, where those are given.
  create or replace function extensions.verify(token text, secret text, algorithm text default 'HS256')
  returns table (header json, payload json, valid boolean)
  language sql stable parallel safe as $$
    select h.header, p.payload,
           t.part[3] = extensions.algorithm_sign(t.part[1] || '.' || t.part[2], secret, algorithm)
           and tstzrange(to_timestamp(extensions.try_cast_double(p.payload ->> 'nbf')),
                         to_timestamp(extensions.try_cast_double(p.payload ->> 'exp'))) @> current_timestamp
      from (select regexp_split_to_array(token, '\.')) t(part),
           lateral (select convert_from(extensions.url_decode(t.part[1]), 'utf8')::json) h(header),
           lateral (select convert_from(extensions.url_decode(t.part[2]), 'utf8')::json) p(payload)
  $$;
end $do$;
