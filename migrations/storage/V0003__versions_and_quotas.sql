-- Versions that were replaced or deleted and are kept for a while, and quotas; both per bucket, both off until a row of
-- basalt_bucket_settings says otherwise. Ours: the names cannot clash with those of Supabase Storage, which leaves the
-- tables alone. Triggers see to both, so that they hold for every way by which an object is written.

set local role supabase_storage_admin;
set local search_path to '';

create table if not exists storage.basalt_bucket_settings (
  bucket_id text primary key references storage.buckets (id) on delete cascade,
  keep_versions_seconds bigint check (keep_versions_seconds > 0),
  quota_bytes bigint check (quota_bytes >= 0),
  quota_objects bigint check (quota_objects >= 0),
  used_bytes bigint not null default 0,
  used_objects bigint not null default 0
);
comment on table storage.basalt_bucket_settings is 'How long buckets keep what was replaced or deleted, and how much they hold.';
comment on column storage.basalt_bucket_settings.used_bytes is 'What the objects of the bucket have, while it has a quota.';

create table if not exists storage.basalt_versions (
  id uuid primary key default gen_random_uuid(),
  bucket_id text not null,
  name text not null,
  version text,
  reason text not null check (reason in ('overwritten', 'deleted')),
  owner uuid,
  owner_id text,
  metadata jsonb,
  user_metadata jsonb,
  created_at timestamptz,
  archived_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index if not exists basalt_versions_name_idx on storage.basalt_versions (bucket_id, name collate "C", archived_at desc);
create index if not exists basalt_versions_expires_at_idx on storage.basalt_versions (expires_at);
comment on table storage.basalt_versions is 'Versions of objects that were replaced or deleted, until they expire. Policies decide who sees and who deletes them.';

alter table storage.basalt_bucket_settings enable row level security;
alter table storage.basalt_versions enable row level security;

revoke all on storage.basalt_bucket_settings, storage.basalt_versions from public, anon, authenticated, service_role;
-- Without a policy nobody sees any.
grant select, delete on storage.basalt_versions to anon, authenticated, service_role;
grant select, delete on storage.basalt_versions to postgres with grant option;
