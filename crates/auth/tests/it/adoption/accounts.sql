-- What Supabase Auth, and people who import by hand, leave in those tables. It is 2027-01-15 08:00 UTC. Every password is
-- `correct horse`, every code `123456`; their hashes were computed elsewhere.

set local role supabase_auth_admin;
set local time zone 'UTC';

-- As the original writes an account: no NULL where it reads none.
create function pg_temp.account(id uuid, email text, password text) returns void language sql as $$
  insert into auth.users
    (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token, recovery_token,
     email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
  values
    ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2, $3, '2026-01-01Z', '', '',
     '', '', '{"provider": "email", "providers": ["email"]}', '{"name": "Someone"}', '2026-01-01Z', '2026-01-01Z');
  insert into auth.identities
    (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
  values
    ($1, $1, jsonb_build_object('sub', $1, 'email', $2, 'email_verified', true), 'email', '2026-01-01Z',
     '2026-01-01Z', '2026-01-01Z');
$$;

select pg_temp.account(format('00000000-0000-4000-8000-0000000000%s', n)::uuid, email, hash)
  from (values
    ('01', 'jane@example.com', '$2a$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu'),
    ('02', 'argon@example.com',
     '$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk'),
    ('05', 'new@example.com', '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'),
    ('06', 'lost@example.com', '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'),
    ('07', 'link@example.com', ''),
    ('08', 'moving@example.com', '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'),
    ('09', 'invited@example.com', null),
    ('10', 'phone@example.com', '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'),
    ('11', 'totp@example.com', '$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'),
    ('12', 'google@example.com', null)) as account (n, email, hash);

-- Imported by hand: NULL wherever NULL is allowed, and no identity.
insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token,
                        recovery_token, email_change, email_change_token_new, email_change_token_current, phone_change,
                        phone_change_token, reauthentication_token, email_change_confirm_status)
values
  ('00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-000000000003', 'authenticated', 'authenticated',
   'import@example.com', '$2a$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu', '2026-01-01Z',
   null, null, null, null, null, null, null, null, null),
  (null, '00000000-0000-4000-8000-000000000004', 'authenticated', 'authenticated', 'firebase@example.com',
   '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$Y1FULYEag1Kxy4Xo8dySwZm9SSyOwNsSSgADe5x/0pEZ2Ygabx632pj+I/BWRf/VFK+0ti8zu5tOKtm9MzCCRw==',
   '2026-01-01Z', null, null, null, null, null, null, null, null, null);

-- Sessions: one with tokens that are rows, the first of them used, and one with a key and a counter.
insert into auth.sessions (id, user_id, created_at, updated_at, aal, refreshed_at, user_agent, ip, refresh_token_hmac_key,
                           refresh_token_counter)
values
  ('00000000-0000-4000-8000-00000000a001', '00000000-0000-4000-8000-000000000001', '2027-01-14 08:00Z',
   '2027-01-15 07:00Z', 'aal1', '2027-01-15 07:00', 'node', '192.0.2.7', null, null),
  ('3f2b8c1e-5a77-4d0e-9c61-0a1b2c3d4e5f', '00000000-0000-4000-8000-000000000001', '2027-01-14 08:00Z',
   '2027-01-15 07:00Z', 'aal1', '2027-01-15 07:00', 'node', '192.0.2.7',
   'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8', 1);
insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
select gen_random_uuid(), id, created_at, created_at, 'password' from auth.sessions;
insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id)
values
  ('00000000-0000-0000-0000-000000000000', 'abcdefghijkl', '00000000-0000-4000-8000-000000000001', true,
   '2027-01-14 08:00Z', '2027-01-15 07:00Z', null, '00000000-0000-4000-8000-00000000a001'),
  ('00000000-0000-0000-0000-000000000000', 'mnopqrstuvwx', '00000000-0000-4000-8000-000000000001', false,
   '2027-01-15 07:00Z', '2027-01-15 07:00Z', 'abcdefghijkl', '00000000-0000-4000-8000-00000000a001'),
  -- From before there were sessions.
  ('00000000-0000-0000-0000-000000000000', 'yz2345672345', '00000000-0000-4000-8000-000000000001', false,
   '2022-01-01Z', '2022-01-01Z', null, null);

-- Mails that were sent a minute ago.
create function pg_temp.mailed(account uuid, kind text, hash text, address text) returns void language sql as $$
  insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
  values (gen_random_uuid(), $1, $2::auth.one_time_token_type, $3, $4, '2027-01-15 07:59', '2027-01-15 07:59')
$$;

update auth.users
   set email_confirmed_at = null, confirmation_sent_at = '2027-01-15 07:59Z',
       confirmation_token = 'c9d551b6cddc4184bfdb31fb646449dd2ce8b7115fd2608b5b0ec732'
 where email = 'new@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000005', 'confirmation_token',
                      'c9d551b6cddc4184bfdb31fb646449dd2ce8b7115fd2608b5b0ec732', 'new@example.com');
update auth.users
   set recovery_sent_at = '2027-01-15 07:59Z',
       recovery_token = 'pkce_ac240f5698b1e8d02a2ca17f61e06d3fe1b174deb67579542223c5e5'
 where email = 'lost@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000006', 'recovery_token',
                      'pkce_ac240f5698b1e8d02a2ca17f61e06d3fe1b174deb67579542223c5e5', 'lost@example.com');
update auth.users
   set recovery_sent_at = '2027-01-15 07:59Z', recovery_token = '4fdb3650b66dbc5307b19ad4d3f202c9cf63a7d1c74de9b0a0c874a4'
 where email = 'link@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000007', 'recovery_token',
                      '4fdb3650b66dbc5307b19ad4d3f202c9cf63a7d1c74de9b0a0c874a4', 'link@example.com');
update auth.users
   set email_change = 'moved@example.com', email_change_sent_at = '2027-01-15 07:59Z',
       email_change_token_current = '59367e3adbcfc99bd2948763c60a9e5802d66e6bdf6bcd03d4864c21',
       email_change_token_new = '7d54fe791200066027ead4035843b688d62f5e3cef59323be27ecf7d'
 where email = 'moving@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000008', 'email_change_token_current',
                      '59367e3adbcfc99bd2948763c60a9e5802d66e6bdf6bcd03d4864c21', 'moving@example.com');
select pg_temp.mailed('00000000-0000-4000-8000-000000000008', 'email_change_token_new',
                      '7d54fe791200066027ead4035843b688d62f5e3cef59323be27ecf7d', 'moved@example.com');
update auth.users
   set email_confirmed_at = null, invited_at = '2027-01-15 07:59Z', confirmation_sent_at = '2027-01-15 07:59Z',
       confirmation_token = '56f25e504fee13fb6a505554c698860437eed955be9291dfe15ad46c'
 where email = 'invited@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000009', 'confirmation_token',
                      '56f25e504fee13fb6a505554c698860437eed955be9291dfe15ad46c', 'invited@example.com');
update auth.users
   set phone = '15557654321', phone_confirmed_at = '2026-01-01Z', phone_change = '15551112222',
       phone_change_sent_at = '2027-01-15 07:59:30Z',
       phone_change_token = '74a0bf64594fd9c73f99cb6aa84cfee34f9d48a99ec90353650ae9c8'
 where email = 'phone@example.com';
select pg_temp.mailed('00000000-0000-4000-8000-000000000010', 'phone_change_token',
                      '74a0bf64594fd9c73f99cb6aa84cfee34f9d48a99ec90353650ae9c8', '15551112222');

-- Flows under way: a recovery, and a sign-in with Google that came back.
insert into auth.flow_state
  (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type, provider_access_token,
   provider_refresh_token, created_at, updated_at, authentication_method, auth_code_issued_at)
values
  ('00000000-0000-4000-8000-00000000b001', '00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-00000000c001',
   's256', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'recovery', '', '', '2027-01-15 07:59Z', '2027-01-15 07:59Z',
   'recovery', null),
  ('00000000-0000-4000-8000-00000000b002', '00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-00000000c002',
   's256', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'google', 'ya29.token', '', '2027-01-15 07:59Z',
   '2027-01-15 07:59Z', 'oauth', '2027-01-15 07:59Z');
update auth.identities
   set provider = 'google', provider_id = '1234567890',
       identity_data = '{"sub": "1234567890", "email": "google@example.com", "email_verified": true}'
 where user_id = '00000000-0000-4000-8000-000000000012';

-- A second factor: the secret is that of RFC 6238 in base32.
insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret)
values ('00000000-0000-4000-8000-00000000d001', '00000000-0000-4000-8000-000000000011', 'phone', 'totp', 'verified',
        '2026-01-01Z', '2026-01-01Z', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(),
        '{"action": "login", "actor_id": "00000000-0000-4000-8000-000000000001", "log_type": "account", "actor_via_sso": false, "actor_username": "jane@example.com"}',
        '2026-01-01Z', '');
