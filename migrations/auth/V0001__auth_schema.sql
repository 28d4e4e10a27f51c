-- The tables of user accounts, as Supabase Auth has them at its migration 20260625000000.
--
-- Every statement tolerates a database that an older version of Supabase Auth has already
-- migrated: tables start with their key, columns are added where missing, constraints and
-- indexes likewise. The last statement records that all of upstream's migrations are done, so
-- that one can go back to it.
--
-- Everything belongs to supabase_auth_admin, who is not bound by the row security switched on
-- below: it has no policies and only keeps others out should the schema ever be exposed.

set local role supabase_auth_admin;
set local search_path to '';

-- What older versions named or shaped differently ------------------------------------------------

do $$
declare
  type_of text;
begin
  -- 2021: users.confirmed_at became generated; the column that is written got a new name.
  if exists (select from information_schema.columns where table_schema = 'auth'
             and table_name = 'users' and column_name = 'confirmed_at' and is_generated = 'NEVER') then
    alter table auth.users rename column confirmed_at to email_confirmed_at;
  end if;
  if exists (select from information_schema.columns where table_schema = 'auth'
             and table_name = 'users' and column_name = 'email_change_token') then
    alter table auth.users rename column email_change_token to email_change_token_new;
  end if;

  -- 2023: phone numbers became text.
  select data_type into type_of from information_schema.columns
   where table_schema = 'auth' and table_name = 'users' and column_name = 'phone';
  if type_of = 'character varying' then
    alter table auth.users alter column phone type text, alter column phone_change type text;
  end if;

  -- 2023: identities got an id of their own; the provider's moved aside.
  select data_type into type_of from information_schema.columns
   where table_schema = 'auth' and table_name = 'identities' and column_name = 'id';
  if type_of = 'text' then
    alter table auth.identities rename column id to provider_id;
    alter table auth.identities drop constraint if exists identities_pkey;
    alter table auth.identities add column id uuid not null default gen_random_uuid() primary key;
  end if;

  -- Leftovers that upstream dropped because they stand in the way.
  if to_regclass('auth.users') is not null then
    begin
      alter table auth.users drop constraint if exists users_email_key;
    exception when dependent_objects_still_exist then
      raise notice 'auth.users keeps the constraint users_email_key, because something of yours depends on it';
    end;
  end if;
  if to_regclass('auth.mfa_factors') is not null then
    alter table auth.mfa_factors drop constraint if exists mfa_factors_phone_key;
  end if;
  if to_regclass('auth.refresh_tokens') is not null then
    alter table auth.refresh_tokens drop constraint if exists refresh_tokens_parent_fkey;
  end if;
  if to_regclass('auth.unique_verified_phone_factor') is not null then
    if to_regclass('auth.unique_phone_factor_per_user') is null then
      alter index auth.unique_verified_phone_factor rename to unique_phone_factor_per_user;
    else
      drop index auth.unique_verified_phone_factor;
    end if;
  end if;
  if to_regclass('auth.oauth_clients') is not null then
    alter table auth.oauth_clients drop column if exists client_id;
  end if;
  if to_regclass('auth.saml_relay_states') is not null then
    alter table auth.saml_relay_states drop column if exists from_ip_address;
  end if;

  -- Indexes of one name whose definition changed: only the old form is dropped.
  if exists (select from pg_indexes where schemaname = 'auth' and indexname = 'users_instance_id_email_idx'
             and indexdef not like '%lower%') then
    drop index auth.users_instance_id_email_idx;
  end if;
  for type_of in select indexname from pg_indexes where schemaname = 'auth' and indexname in
      ('confirmation_token_idx', 'recovery_token_idx', 'email_change_token_current_idx',
       'email_change_token_new_idx', 'reauthentication_token_idx')
      and indexdef not like '%!~%' loop
    execute format('drop index auth.%I', type_of);
  end loop;
end $$;

drop index if exists auth.refresh_tokens_token_idx;
drop table if exists auth.sso_sessions;

-- Types -----------------------------------------------------------------------------------------

do $$
declare
  t record;
  label text;
begin
  for t in
    select * from (values
      ('aal_level', array['aal1', 'aal2', 'aal3']),
      ('code_challenge_method', array['s256', 'plain']),
      ('factor_status', array['unverified', 'verified']),
      ('factor_type', array['totp', 'webauthn', 'phone']),
      ('one_time_token_type', array['confirmation_token', 'reauthentication_token', 'recovery_token',
                                    'email_change_token_new', 'email_change_token_current',
                                    'phone_change_token']),
      ('oauth_registration_type', array['dynamic', 'manual']),
      ('oauth_authorization_status', array['pending', 'approved', 'denied', 'expired']),
      ('oauth_response_type', array['code']),
      ('oauth_client_type', array['public', 'confidential'])
    ) as types (name, labels)
  loop
    if to_regtype('auth.' || t.name) is null then
      execute format('create type auth.%I as enum (%s)', t.name,
                     (select string_agg(quote_literal(l), ', ' order by n)
                        from unnest(t.labels) with ordinality as labels (l, n)));
    else
      foreach label in array t.labels loop
        execute format('alter type auth.%I add value if not exists %L', t.name, label);
      end loop;
    end if;
  end loop;
end $$;

-- Tables and columns ----------------------------------------------------------------------------

create table if not exists auth.users (id uuid not null constraint users_pkey primary key);
alter table auth.users
  add column if not exists instance_id uuid,
  add column if not exists aud varchar(255),
  add column if not exists role varchar(255),
  add column if not exists email varchar(255),
  add column if not exists encrypted_password varchar(255),
  add column if not exists email_confirmed_at timestamptz,
  add column if not exists invited_at timestamptz,
  add column if not exists confirmation_token varchar(255),
  add column if not exists confirmation_sent_at timestamptz,
  add column if not exists recovery_token varchar(255),
  add column if not exists recovery_sent_at timestamptz,
  add column if not exists email_change_token_new varchar(255),
  add column if not exists email_change varchar(255),
  add column if not exists email_change_sent_at timestamptz,
  add column if not exists last_sign_in_at timestamptz,
  add column if not exists raw_app_meta_data jsonb,
  add column if not exists raw_user_meta_data jsonb,
  add column if not exists is_super_admin boolean,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists phone text default null,
  add column if not exists phone_confirmed_at timestamptz,
  add column if not exists phone_change text default '',
  add column if not exists phone_change_token varchar(255) default '',
  add column if not exists phone_change_sent_at timestamptz,
  add column if not exists email_change_token_current varchar(255) default '',
  add column if not exists email_change_confirm_status smallint default 0,
  add column if not exists banned_until timestamptz,
  add column if not exists reauthentication_token varchar(255) default '',
  add column if not exists reauthentication_sent_at timestamptz,
  add column if not exists is_sso_user boolean not null default false,
  add column if not exists deleted_at timestamptz,
  add column if not exists is_anonymous boolean not null default false,
  add column if not exists user_role text default 'admin';
alter table auth.users
  add column if not exists confirmed_at timestamptz
    generated always as (least(email_confirmed_at, phone_confirmed_at)) stored;

create table if not exists auth.identities (
  id uuid not null default gen_random_uuid() constraint identities_pkey primary key
);
alter table auth.identities
  add column if not exists provider_id text not null,
  add column if not exists user_id uuid not null,
  add column if not exists identity_data jsonb not null,
  add column if not exists provider text not null,
  add column if not exists last_sign_in_at timestamptz,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz;
alter table auth.identities
  add column if not exists email text generated always as (lower(identity_data ->> 'email')) stored;

create table if not exists auth.oauth_clients (id uuid not null constraint oauth_clients_pkey primary key);
alter table auth.oauth_clients
  add column if not exists client_secret_hash text,
  add column if not exists registration_type auth.oauth_registration_type not null,
  add column if not exists redirect_uris text not null,
  add column if not exists grant_types text not null,
  add column if not exists client_name text,
  add column if not exists client_uri text,
  add column if not exists logo_uri text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now(),
  add column if not exists deleted_at timestamptz,
  add column if not exists client_type auth.oauth_client_type not null default 'confidential',
  add column if not exists token_endpoint_auth_method text;
alter table auth.oauth_clients alter column client_secret_hash drop not null;
update auth.oauth_clients
   set token_endpoint_auth_method =
         case client_type when 'public' then 'none' else 'client_secret_basic' end
 where token_endpoint_auth_method is null;
alter table auth.oauth_clients alter column token_endpoint_auth_method set not null;

create table if not exists auth.sessions (id uuid not null constraint sessions_pkey primary key);
alter table auth.sessions
  add column if not exists user_id uuid not null,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists factor_id uuid,
  add column if not exists aal auth.aal_level,
  add column if not exists not_after timestamptz,
  add column if not exists refreshed_at timestamp,
  add column if not exists user_agent text,
  add column if not exists ip inet,
  add column if not exists tag text,
  add column if not exists oauth_client_id uuid,
  add column if not exists refresh_token_hmac_key text,
  add column if not exists refresh_token_counter bigint,
  add column if not exists scopes text;
comment on column auth.sessions.not_after is
  'The end of the session, when it was given one: Auth honours the earlier of this and the configured time box.';
comment on column auth.sessions.refresh_token_hmac_key is
  'Signs the refresh tokens of this session.';
comment on column auth.sessions.refresh_token_counter is
  'The number of the newest refresh token; null for sessions whose tokens are rows of refresh_tokens.';

create table if not exists auth.refresh_tokens (id bigserial constraint refresh_tokens_pkey primary key);
alter table auth.refresh_tokens
  add column if not exists instance_id uuid,
  add column if not exists token varchar(255),
  add column if not exists user_id varchar(255),
  add column if not exists revoked boolean,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists parent varchar(255),
  add column if not exists session_id uuid;

create table if not exists auth.mfa_factors (id uuid not null constraint mfa_factors_pkey primary key);
alter table auth.mfa_factors
  add column if not exists user_id uuid not null,
  add column if not exists friendly_name text,
  add column if not exists factor_type auth.factor_type not null,
  add column if not exists status auth.factor_status not null,
  add column if not exists created_at timestamptz not null,
  add column if not exists updated_at timestamptz not null,
  add column if not exists secret text,
  add column if not exists phone text,
  add column if not exists last_challenged_at timestamptz,
  add column if not exists web_authn_credential jsonb,
  add column if not exists web_authn_aaguid uuid,
  add column if not exists last_webauthn_challenge_data jsonb;

create table if not exists auth.mfa_challenges (id uuid not null constraint mfa_challenges_pkey primary key);
alter table auth.mfa_challenges
  add column if not exists factor_id uuid not null,
  add column if not exists created_at timestamptz not null,
  add column if not exists verified_at timestamptz,
  add column if not exists ip_address inet not null,
  add column if not exists otp_code text,
  add column if not exists web_authn_session_data jsonb;

create table if not exists auth.mfa_amr_claims (
  session_id uuid not null,
  authentication_method text not null,
  constraint mfa_amr_claims_session_id_authentication_method_pkey unique (session_id, authentication_method)
);
alter table auth.mfa_amr_claims
  add column if not exists created_at timestamptz not null,
  add column if not exists updated_at timestamptz not null,
  add column if not exists id uuid not null constraint amr_id_pk primary key;

create table if not exists auth.one_time_tokens (id uuid not null constraint one_time_tokens_pkey primary key);
alter table auth.one_time_tokens
  add column if not exists user_id uuid not null,
  add column if not exists token_type auth.one_time_token_type not null,
  add column if not exists token_hash text not null,
  add column if not exists relates_to text not null,
  add column if not exists created_at timestamp not null default now(),
  add column if not exists updated_at timestamp not null default now();

create table if not exists auth.flow_state (id uuid not null constraint flow_state_pkey primary key);
alter table auth.flow_state
  add column if not exists user_id uuid,
  add column if not exists auth_code text,
  add column if not exists code_challenge_method auth.code_challenge_method,
  add column if not exists code_challenge text,
  add column if not exists provider_type text not null,
  add column if not exists provider_access_token text,
  add column if not exists provider_refresh_token text,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists authentication_method text not null,
  add column if not exists auth_code_issued_at timestamptz,
  add column if not exists invite_token text,
  add column if not exists referrer text,
  add column if not exists oauth_client_state_id uuid,
  add column if not exists linking_target_id uuid,
  add column if not exists email_optional boolean not null default false;
alter table auth.flow_state
  alter column auth_code drop not null,
  alter column code_challenge drop not null,
  alter column code_challenge_method drop not null;

create table if not exists auth.oauth_client_states (id uuid not null constraint oauth_client_states_pkey primary key);
alter table auth.oauth_client_states
  add column if not exists provider_type text not null,
  add column if not exists code_verifier text,
  add column if not exists created_at timestamptz not null;

create table if not exists auth.sso_providers (id uuid not null constraint sso_providers_pkey primary key);
alter table auth.sso_providers
  add column if not exists resource_id text,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists disabled boolean;

create table if not exists auth.sso_domains (id uuid not null constraint sso_domains_pkey primary key);
alter table auth.sso_domains
  add column if not exists sso_provider_id uuid not null,
  add column if not exists domain text not null,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz;

create table if not exists auth.saml_providers (id uuid not null constraint saml_providers_pkey primary key);
alter table auth.saml_providers
  add column if not exists sso_provider_id uuid not null,
  add column if not exists entity_id text not null,
  add column if not exists metadata_xml text not null,
  add column if not exists metadata_url text,
  add column if not exists attribute_mapping jsonb,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists name_id_format text;

create table if not exists auth.saml_relay_states (id uuid not null constraint saml_relay_states_pkey primary key);
alter table auth.saml_relay_states
  add column if not exists sso_provider_id uuid not null,
  add column if not exists request_id text not null,
  add column if not exists for_email text,
  add column if not exists redirect_to text,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz,
  add column if not exists flow_state_id uuid;

create table if not exists auth.audit_log_entries (id uuid not null constraint audit_log_entries_pkey primary key);
alter table auth.audit_log_entries
  add column if not exists instance_id uuid,
  add column if not exists payload json,
  add column if not exists created_at timestamptz,
  add column if not exists ip_address varchar(64) not null default '';

create table if not exists auth.instances (id uuid not null constraint instances_pkey primary key);
alter table auth.instances
  add column if not exists uuid uuid,
  add column if not exists raw_base_config text,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz;

create table if not exists auth.oauth_authorizations (id uuid not null constraint oauth_authorizations_pkey primary key);
alter table auth.oauth_authorizations
  add column if not exists authorization_id text not null,
  add column if not exists client_id uuid not null,
  add column if not exists user_id uuid,
  add column if not exists redirect_uri text not null,
  add column if not exists scope text not null,
  add column if not exists state text,
  add column if not exists resource text,
  add column if not exists code_challenge text,
  add column if not exists code_challenge_method auth.code_challenge_method,
  add column if not exists response_type auth.oauth_response_type not null default 'code',
  add column if not exists status auth.oauth_authorization_status not null default 'pending',
  add column if not exists authorization_code text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists expires_at timestamptz not null default (now() + interval '3 minutes'),
  add column if not exists approved_at timestamptz,
  add column if not exists nonce text;

create table if not exists auth.oauth_consents (id uuid not null constraint oauth_consents_pkey primary key);
alter table auth.oauth_consents
  add column if not exists user_id uuid not null,
  add column if not exists client_id uuid not null,
  add column if not exists scopes text not null,
  add column if not exists granted_at timestamptz not null default now(),
  add column if not exists revoked_at timestamptz;

create table if not exists auth.custom_oauth_providers (
  id uuid not null default gen_random_uuid() constraint custom_oauth_providers_pkey primary key
);
alter table auth.custom_oauth_providers
  add column if not exists provider_type text not null,
  add column if not exists identifier text not null,
  add column if not exists name text not null,
  add column if not exists client_id text not null,
  add column if not exists client_secret text not null,
  add column if not exists acceptable_client_ids text[] not null default '{}',
  add column if not exists scopes text[] not null default '{}',
  add column if not exists pkce_enabled boolean not null default true,
  add column if not exists attribute_mapping jsonb not null default '{}',
  add column if not exists authorization_params jsonb not null default '{}',
  add column if not exists enabled boolean not null default true,
  add column if not exists email_optional boolean not null default false,
  add column if not exists issuer text,
  add column if not exists discovery_url text,
  add column if not exists skip_nonce_check boolean not null default false,
  add column if not exists cached_discovery jsonb,
  add column if not exists discovery_cached_at timestamptz,
  add column if not exists authorization_url text,
  add column if not exists token_url text,
  add column if not exists userinfo_url text,
  add column if not exists jwks_uri text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now(),
  add column if not exists custom_claims_allowlist text[] not null default '{}';

create table if not exists auth.webauthn_credentials (
  id uuid not null default gen_random_uuid() constraint webauthn_credentials_pkey primary key
);
alter table auth.webauthn_credentials
  add column if not exists user_id uuid not null,
  add column if not exists credential_id bytea not null,
  add column if not exists public_key bytea not null,
  add column if not exists attestation_type text not null default '',
  add column if not exists aaguid uuid,
  add column if not exists sign_count bigint not null default 0,
  add column if not exists transports jsonb not null default '[]',
  add column if not exists backup_eligible boolean not null default false,
  add column if not exists backed_up boolean not null default false,
  add column if not exists friendly_name text not null default '',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now(),
  add column if not exists last_used_at timestamptz;

create table if not exists auth.webauthn_challenges (
  id uuid not null default gen_random_uuid() constraint webauthn_challenges_pkey primary key
);
alter table auth.webauthn_challenges
  add column if not exists user_id uuid,
  add column if not exists challenge_type text not null,
  add column if not exists session_data jsonb not null,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists expires_at timestamptz not null;

create table if not exists auth.schema_migrations (
  version varchar(255) not null constraint schema_migrations_pkey primary key
);

-- Constraints -----------------------------------------------------------------------------------

do $$
declare
  c record;
begin
  for c in
    select * from (values
      ('users', 'users_phone_key', 'unique (phone)'),
      ('users', 'users_email_change_confirm_status_check', 'check (email_change_confirm_status >= 0 and email_change_confirm_status <= 2)'),
      ('identities', 'identities_provider_id_provider_unique', 'unique (provider_id, provider)'),
      ('identities', 'identities_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('sessions', 'sessions_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('sessions', 'sessions_oauth_client_id_fkey', 'foreign key (oauth_client_id) references auth.oauth_clients (id) on delete cascade'),
      ('sessions', 'sessions_scopes_length', 'check (char_length(scopes) <= 4096)'),
      ('refresh_tokens', 'refresh_tokens_token_unique', 'unique (token)'),
      ('refresh_tokens', 'refresh_tokens_session_id_fkey', 'foreign key (session_id) references auth.sessions (id) on delete cascade'),
      ('mfa_factors', 'mfa_factors_last_challenged_at_key', 'unique (last_challenged_at)'),
      ('mfa_factors', 'mfa_factors_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('mfa_challenges', 'mfa_challenges_auth_factor_id_fkey', 'foreign key (factor_id) references auth.mfa_factors (id) on delete cascade'),
      ('mfa_amr_claims', 'mfa_amr_claims_session_id_fkey', 'foreign key (session_id) references auth.sessions (id) on delete cascade'),
      ('one_time_tokens', 'one_time_tokens_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('one_time_tokens', 'one_time_tokens_token_hash_check', 'check (char_length(token_hash) > 0)'),
      ('sso_providers', 'resource_id not empty', 'check (resource_id = null or char_length(resource_id) > 0)'),
      ('sso_domains', 'sso_domains_sso_provider_id_fkey', 'foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade'),
      ('sso_domains', 'domain not empty', 'check (char_length(domain) > 0)'),
      ('saml_providers', 'saml_providers_entity_id_key', 'unique (entity_id)'),
      ('saml_providers', 'saml_providers_sso_provider_id_fkey', 'foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade'),
      ('saml_providers', 'entity_id not empty', 'check (char_length(entity_id) > 0)'),
      ('saml_providers', 'metadata_url not empty', 'check (metadata_url = null or char_length(metadata_url) > 0)'),
      ('saml_providers', 'metadata_xml not empty', 'check (char_length(metadata_xml) > 0)'),
      ('saml_relay_states', 'saml_relay_states_sso_provider_id_fkey', 'foreign key (sso_provider_id) references auth.sso_providers (id) on delete cascade'),
      ('saml_relay_states', 'saml_relay_states_flow_state_id_fkey', 'foreign key (flow_state_id) references auth.flow_state (id) on delete cascade'),
      ('saml_relay_states', 'request_id not empty', 'check (char_length(request_id) > 0)'),
      ('oauth_clients', 'oauth_clients_client_name_length', 'check (char_length(client_name) <= 1024)'),
      ('oauth_clients', 'oauth_clients_client_uri_length', 'check (char_length(client_uri) <= 2048)'),
      ('oauth_clients', 'oauth_clients_logo_uri_length', 'check (char_length(logo_uri) <= 2048)'),
      ('oauth_clients', 'oauth_clients_token_endpoint_auth_method_check', 'check (token_endpoint_auth_method in (''client_secret_basic'', ''client_secret_post'', ''none''))'),
      ('oauth_authorizations', 'oauth_authorizations_authorization_id_key', 'unique (authorization_id)'),
      ('oauth_authorizations', 'oauth_authorizations_authorization_code_key', 'unique (authorization_code)'),
      ('oauth_authorizations', 'oauth_authorizations_client_id_fkey', 'foreign key (client_id) references auth.oauth_clients (id) on delete cascade'),
      ('oauth_authorizations', 'oauth_authorizations_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('oauth_authorizations', 'oauth_authorizations_authorization_code_length', 'check (char_length(authorization_code) <= 255)'),
      ('oauth_authorizations', 'oauth_authorizations_code_challenge_length', 'check (char_length(code_challenge) <= 128)'),
      ('oauth_authorizations', 'oauth_authorizations_expires_at_future', 'check (expires_at > created_at)'),
      ('oauth_authorizations', 'oauth_authorizations_nonce_length', 'check (char_length(nonce) <= 255)'),
      ('oauth_authorizations', 'oauth_authorizations_redirect_uri_length', 'check (char_length(redirect_uri) <= 2048)'),
      ('oauth_authorizations', 'oauth_authorizations_resource_length', 'check (char_length(resource) <= 2048)'),
      ('oauth_authorizations', 'oauth_authorizations_scope_length', 'check (char_length(scope) <= 4096)'),
      ('oauth_authorizations', 'oauth_authorizations_state_length', 'check (char_length(state) <= 4096)'),
      ('oauth_consents', 'oauth_consents_user_client_unique', 'unique (user_id, client_id)'),
      ('oauth_consents', 'oauth_consents_client_id_fkey', 'foreign key (client_id) references auth.oauth_clients (id) on delete cascade'),
      ('oauth_consents', 'oauth_consents_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('oauth_consents', 'oauth_consents_revoked_after_granted', 'check (revoked_at is null or revoked_at >= granted_at)'),
      ('oauth_consents', 'oauth_consents_scopes_length', 'check (char_length(scopes) <= 2048)'),
      ('oauth_consents', 'oauth_consents_scopes_not_empty', 'check (char_length(trim(both from scopes)) > 0)'),
      ('custom_oauth_providers', 'custom_oauth_providers_identifier_key', 'unique (identifier)'),
      ('custom_oauth_providers', 'custom_oauth_providers_identifier_format', 'check (identifier ~ ''^[a-z0-9][a-z0-9:-]{0,48}[a-z0-9]$'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_provider_type_check', 'check (provider_type in (''oauth2'', ''oidc''))'),
      ('custom_oauth_providers', 'custom_oauth_providers_name_length', 'check (char_length(name) >= 1 and char_length(name) <= 100)'),
      ('custom_oauth_providers', 'custom_oauth_providers_client_id_length', 'check (char_length(client_id) >= 1 and char_length(client_id) <= 512)'),
      ('custom_oauth_providers', 'custom_oauth_providers_issuer_length', 'check (issuer is null or (char_length(issuer) >= 1 and char_length(issuer) <= 2048))'),
      ('custom_oauth_providers', 'custom_oauth_providers_discovery_url_length', 'check (discovery_url is null or char_length(discovery_url) <= 2048)'),
      ('custom_oauth_providers', 'custom_oauth_providers_authorization_url_length', 'check (authorization_url is null or char_length(authorization_url) <= 2048)'),
      ('custom_oauth_providers', 'custom_oauth_providers_authorization_url_https', 'check (authorization_url is null or authorization_url like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_token_url_length', 'check (token_url is null or char_length(token_url) <= 2048)'),
      ('custom_oauth_providers', 'custom_oauth_providers_token_url_https', 'check (token_url is null or token_url like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_userinfo_url_length', 'check (userinfo_url is null or char_length(userinfo_url) <= 2048)'),
      ('custom_oauth_providers', 'custom_oauth_providers_userinfo_url_https', 'check (userinfo_url is null or userinfo_url like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_jwks_uri_length', 'check (jwks_uri is null or char_length(jwks_uri) <= 2048)'),
      ('custom_oauth_providers', 'custom_oauth_providers_jwks_uri_https', 'check (jwks_uri is null or jwks_uri like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_oidc_requires_issuer', 'check (provider_type <> ''oidc'' or issuer is not null)'),
      ('custom_oauth_providers', 'custom_oauth_providers_oidc_issuer_https', 'check (provider_type <> ''oidc'' or issuer is null or issuer like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_oidc_discovery_url_https', 'check (provider_type <> ''oidc'' or discovery_url is null or discovery_url like ''https://%'')'),
      ('custom_oauth_providers', 'custom_oauth_providers_oauth2_requires_endpoints', 'check (provider_type <> ''oauth2'' or (authorization_url is not null and token_url is not null and userinfo_url is not null))'),
      ('webauthn_credentials', 'webauthn_credentials_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('webauthn_challenges', 'webauthn_challenges_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade'),
      ('webauthn_challenges', 'webauthn_challenges_challenge_type_check', 'check (challenge_type in (''signup'', ''registration'', ''authentication''))')
    ) as wanted (relation, name, definition)
  loop
    if not exists (select from pg_constraint
                   where conrelid = ('auth.' || c.relation)::regclass and conname = c.name) then
      execute format('alter table auth.%I add constraint %I %s', c.relation, c.name, c.definition);
    end if;
  end loop;
end $$;

-- Indexes ---------------------------------------------------------------------------------------

create unique index if not exists users_email_partial_key on auth.users (email) where (is_sso_user = false);
comment on index auth.users_email_partial_key is
  'Addresses are unique among accounts that do not belong to single sign-on.';
create index if not exists users_instance_id_email_idx on auth.users (instance_id, lower(email));
create index if not exists users_instance_id_idx on auth.users (instance_id);
create index if not exists users_is_anonymous_idx on auth.users (is_anonymous);
create unique index if not exists confirmation_token_idx on auth.users (confirmation_token)
  where confirmation_token !~ '^[0-9 ]*$';
create unique index if not exists recovery_token_idx on auth.users (recovery_token)
  where recovery_token !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_current_idx on auth.users (email_change_token_current)
  where email_change_token_current !~ '^[0-9 ]*$';
create unique index if not exists email_change_token_new_idx on auth.users (email_change_token_new)
  where email_change_token_new !~ '^[0-9 ]*$';
create unique index if not exists reauthentication_token_idx on auth.users (reauthentication_token)
  where reauthentication_token !~ '^[0-9 ]*$';

create index if not exists identities_email_idx on auth.identities (email text_pattern_ops);
create index if not exists identities_user_id_idx on auth.identities (user_id);

create index if not exists sessions_not_after_idx on auth.sessions (not_after desc);
create index if not exists sessions_oauth_client_id_idx on auth.sessions (oauth_client_id);
create index if not exists sessions_user_id_idx on auth.sessions (user_id);
create index if not exists user_id_created_at_idx on auth.sessions (user_id, created_at);

create index if not exists refresh_tokens_instance_id_idx on auth.refresh_tokens (instance_id);
create index if not exists refresh_tokens_instance_id_user_id_idx on auth.refresh_tokens (instance_id, user_id);
create index if not exists refresh_tokens_parent_idx on auth.refresh_tokens (parent);
create index if not exists refresh_tokens_session_id_revoked_idx on auth.refresh_tokens (session_id, revoked);
create index if not exists refresh_tokens_updated_at_idx on auth.refresh_tokens (updated_at desc);

create index if not exists factor_id_created_at_idx on auth.mfa_factors (user_id, created_at);
create index if not exists mfa_factors_user_id_idx on auth.mfa_factors (user_id);
create unique index if not exists mfa_factors_user_friendly_name_unique on auth.mfa_factors (friendly_name, user_id)
  where trim(both from friendly_name) <> '';
create unique index if not exists unique_phone_factor_per_user on auth.mfa_factors (user_id, phone);
create index if not exists mfa_challenge_created_at_idx on auth.mfa_challenges (created_at desc);

create index if not exists one_time_tokens_relates_to_hash_idx on auth.one_time_tokens using hash (relates_to);
create index if not exists one_time_tokens_token_hash_hash_idx on auth.one_time_tokens using hash (token_hash);
create unique index if not exists one_time_tokens_user_id_token_type_key on auth.one_time_tokens (user_id, token_type);

create index if not exists flow_state_created_at_idx on auth.flow_state (created_at desc);
create index if not exists idx_auth_code on auth.flow_state (auth_code);
create index if not exists idx_user_id_auth_method on auth.flow_state (user_id, authentication_method);
create index if not exists idx_oauth_client_states_created_at on auth.oauth_client_states (created_at);

create unique index if not exists sso_providers_resource_id_idx on auth.sso_providers (lower(resource_id));
create index if not exists sso_providers_resource_id_pattern_idx on auth.sso_providers (resource_id text_pattern_ops);
create unique index if not exists sso_domains_domain_idx on auth.sso_domains (lower(domain));
create index if not exists sso_domains_sso_provider_id_idx on auth.sso_domains (sso_provider_id);
create index if not exists saml_providers_sso_provider_id_idx on auth.saml_providers (sso_provider_id);
create index if not exists saml_relay_states_created_at_idx on auth.saml_relay_states (created_at desc);
create index if not exists saml_relay_states_for_email_idx on auth.saml_relay_states (for_email);
create index if not exists saml_relay_states_sso_provider_id_idx on auth.saml_relay_states (sso_provider_id);

create index if not exists audit_logs_instance_id_idx on auth.audit_log_entries (instance_id);

create index if not exists oauth_clients_deleted_at_idx on auth.oauth_clients (deleted_at);
create index if not exists oauth_auth_pending_exp_idx on auth.oauth_authorizations (expires_at)
  where status = 'pending';
create index if not exists oauth_consents_active_client_idx on auth.oauth_consents (client_id)
  where revoked_at is null;
create index if not exists oauth_consents_active_user_client_idx on auth.oauth_consents (user_id, client_id)
  where revoked_at is null;
create index if not exists oauth_consents_user_order_idx on auth.oauth_consents (user_id, granted_at desc);
create index if not exists custom_oauth_providers_created_at_idx on auth.custom_oauth_providers (created_at);
create index if not exists custom_oauth_providers_enabled_idx on auth.custom_oauth_providers (enabled);
create index if not exists custom_oauth_providers_identifier_idx on auth.custom_oauth_providers (identifier);
create index if not exists custom_oauth_providers_provider_type_idx on auth.custom_oauth_providers (provider_type);

create unique index if not exists webauthn_credentials_credential_id_key on auth.webauthn_credentials (credential_id);
create index if not exists webauthn_credentials_user_id_idx on auth.webauthn_credentials (user_id);
create index if not exists webauthn_challenges_expires_at_idx on auth.webauthn_challenges (expires_at);
create index if not exists webauthn_challenges_user_id_idx on auth.webauthn_challenges (user_id);

-- Row security and grants -----------------------------------------------------------------------

do $$
declare
  relation regclass;
  reader text;
begin
  for relation in
    select c.oid::regclass from pg_class c
     where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'
       and pg_get_userbyid(c.relowner) = 'supabase_auth_admin'
  loop
    execute format('alter table %s enable row level security', relation);
    foreach reader in array array['postgres', 'dashboard_user'] loop
      if to_regrole(reader) is null then
        continue;
      elsif relation = 'auth.schema_migrations'::regclass then
        execute format('revoke all on %s from %I', relation, reader);
        execute format('grant select on %s to %I', relation, reader);
      else
        execute format('grant all on %s to %I', relation, reader);
      end if;
      if reader = 'postgres' then
        execute format('grant select on %s to postgres with grant option', relation);
      end if;
    end loop;
  end loop;

  foreach reader in array array['postgres', 'dashboard_user'] loop
    if to_regrole(reader) is not null then
      execute format('grant all on sequence auth.refresh_tokens_id_seq to %I', reader);
    end if;
  end loop;
end $$;

comment on table auth.users is 'The accounts.';
comment on column auth.users.user_role is
  'Not used by Auth: the default means nothing and grants nothing. Do not decide anything by it.';
comment on column auth.users.is_sso_user is
  'Accounts of single sign-on, and of providers that are not linked by address, may share an address with others.';
comment on table auth.sessions is 'One row per signed-in device.';
comment on table auth.identities is 'The ways an account can sign in.';

-- What upstream's migration table shall say -------------------------------------------------------

insert into auth.schema_migrations (version)
select unnest(string_to_array(
  '00 20210710035447 20210722035447 20210730183235 20210909172000 20210927181326 20211122151130 20211124214934 '
  '20211202183645 20220114185221 20220114185340 20220224000811 20220323170000 20220429102000 20220531120530 '
  '20220614074223 20220811173540 20221003041349 20221003041400 20221011041400 20221020193600 20221021073300 '
  '20221021082433 20221027105023 20221114143122 20221114143410 20221125140132 20221208132122 20221215195500 '
  '20221215195800 20221215195900 20230116124310 20230116124412 20230131181311 20230322519590 20230402418590 '
  '20230411005111 20230508135423 20230523124323 20230818113222 20230914180801 20231027141322 20231114161723 '
  '20231117164230 20240115144230 20240214120130 20240306115329 20240314092811 20240427152123 20240612123726 '
  '20240729123726 20240802193726 20240806073726 20241009103726 20250717082212 20250731150234 20250804100000 '
  '20250901200500 20250903112500 20250904133000 20250925093508 20251007112900 20251104100000 20251111201300 '
  '20251201000000 20260115000000 20260121000000 20260219120000 20260302000000 20260625000000', ' '))
on conflict do nothing;
