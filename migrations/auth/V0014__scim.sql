-- SCIM 2.0: what identity providers of organisations prove themselves by, and what they say of their people
-- beyond what an account holds. The tables are ours, as basalt_outbox is. Their rows go with the identity
-- provider and with the account.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_scim_tokens (
  id uuid primary key,
  sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
  hash text not null unique,
  name text not null,
  created_at timestamptz not null,
  used_at timestamptz
);

create index if not exists basalt_scim_tokens_provider_idx on auth.basalt_scim_tokens (sso_provider_id);

alter table auth.basalt_scim_tokens enable row level security;

comment on table auth.basalt_scim_tokens is 'What identity providers prove themselves by, as hashes.';

create table if not exists auth.basalt_scim_users (
  user_id uuid primary key references auth.users (id) on delete cascade,
  sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
  user_name text not null,
  external_id text,
  attributes jsonb not null,
  shut_until timestamptz,
  updated_at timestamptz not null
);

create unique index if not exists basalt_scim_users_name_key
  on auth.basalt_scim_users (sso_provider_id, lower(user_name));
create unique index if not exists basalt_scim_users_external_key
  on auth.basalt_scim_users (sso_provider_id, external_id);

alter table auth.basalt_scim_users enable row level security;

comment on table auth.basalt_scim_users is 'What identity providers say of their people.';
comment on column auth.basalt_scim_users.shut_until is 'The ban that the identity provider asked for.';
