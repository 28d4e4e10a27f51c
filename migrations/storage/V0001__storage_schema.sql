-- The tables of files, as Supabase Storage has them at its migration 63.
--
-- Every statement tolerates a database that an older version of Supabase Storage has already migrated: tables start
-- with their key, columns are added where missing, constraints and indexes likewise. V0002 records that all of
-- upstream's migrations are done, so that one can go back to it.
--
-- Everything belongs to supabase_storage_admin. Row-level security is on everywhere and no policy is ours: who may do
-- what with a file is the developer's to say.

set local role supabase_storage_admin;
set local search_path to '';
set local client_min_messages to warning;

-- What older versions named or shaped differently ------------------------------------------------

do $$
declare
  r record;
begin
  -- 2025: folders were kept in a table of their own, by triggers; both are gone again. First the triggers: they would
  -- run while rows are touched below.
  for r in
    select c.relname, t.tgname
      from pg_catalog.pg_trigger t
      join pg_catalog.pg_class c on c.oid = t.tgrelid
     where c.relnamespace = 'storage'::regnamespace and not t.tgisinternal
       and t.tgname in (
         'objects_insert_create_prefix', 'objects_update_create_prefix', 'objects_delete_delete_prefix',
         'objects_delete_cleanup', 'objects_update_cleanup', 'objects_update_level_trigger',
         'prefixes_create_hierarchy', 'prefixes_delete_hierarchy', 'prefixes_delete_cleanup')
  loop
    execute format('drop trigger %I on storage.%I', r.tgname, r.relname);
  end loop;
  drop index if exists storage.idx_name_bucket_level_unique;
  drop index if exists storage.idx_objects_lower_name;
  drop index if exists storage.objects_bucket_id_level_idx;
  if to_regclass('storage.objects') is not null then
    alter table storage.objects drop column if exists level;
    alter table storage.objects drop constraint if exists objects_owner_fkey;
    alter table storage.buckets drop constraint if exists buckets_owner_fkey;
  end if;
  drop table if exists storage.prefixes;

  -- Functions of former versions, and those whose columns have changed since.
  for r in
    select p.oid::regprocedure as signature
      from pg_catalog.pg_proc p
     where p.pronamespace = 'storage'::regnamespace
       and (p.proname in (
              'add_prefixes', 'delete_prefix', 'delete_leaf_prefixes', 'delete_prefix_hierarchy_trigger', 'get_level',
              'get_prefix', 'get_prefixes', 'lock_top_prefixes', 'objects_delete_cleanup', 'objects_insert_prefix_trigger',
              'objects_update_cleanup', 'objects_update_level_trigger', 'objects_update_prefix_trigger',
              'prefixes_delete_cleanup', 'prefixes_insert_trigger', 'search_legacy_v1', 'search_v1_optimised',
              'search_v2', 'search_by_timestamp', 'list_objects_with_delimiter', 'get_size_by_bucket')
            or (p.proname = 'search' and p.pronargs < 8))
  loop
    execute format('drop function %s', r.signature);
  end loop;

  -- 2025: catalogues of analytics got an id of their own; the name moved aside.
  if exists (select from information_schema.columns where table_schema = 'storage'
             and table_name = 'buckets_analytics' and column_name = 'id' and data_type = 'text') then
    drop table if exists storage.iceberg_tables;
    drop table if exists storage.iceberg_namespaces;
    alter table storage.buckets_analytics drop constraint if exists buckets_analytics_pkey;
    alter table storage.buckets_analytics rename column id to name;
    alter table storage.buckets_analytics add column id uuid not null primary key default gen_random_uuid();
  end if;
end $$;

-- Buckets ------------------------------------------------------------------------------------------

do $$
begin
  if to_regtype('storage.buckettype') is null then
    create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');
  end if;
end $$;
alter type storage.buckettype add value if not exists 'VECTOR';

create table if not exists storage.buckets (id text not null primary key, name text not null);
alter table storage.buckets
  add column if not exists owner uuid,
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now(),
  add column if not exists public boolean default false,
  add column if not exists avif_autodetection boolean default false,
  add column if not exists file_size_limit bigint,
  add column if not exists allowed_mime_types text[],
  add column if not exists owner_id text,
  add column if not exists type storage.buckettype not null default 'STANDARD',
  add column if not exists versioning_status text not null default 'DISABLED';
alter table storage.buckets alter column owner drop not null;
create unique index if not exists bname on storage.buckets (name);
comment on column storage.buckets.owner is 'Field is deprecated, use owner_id instead';

do $$
declare
  r record;
begin
  for r in
    select v.name, v.definition
      from (values
        ('buckets_versioning_status_check', $c$versioning_status in ('DISABLED', 'ENABLED', 'SUSPENDED')$c$),
        ('buckets_versioning_standard_only_check', $c$type = 'STANDARD' or versioning_status = 'DISABLED'$c$),
        ('buckets_versioning_dark_check', $c$versioning_status = 'DISABLED'$c$)) v(name, definition)
     where not exists (
       select from pg_catalog.pg_constraint c
        where c.conrelid = 'storage.buckets'::regclass and c.conname = v.name)
  loop
    execute format('alter table storage.buckets add constraint %I check (%s)', r.name, r.definition);
  end loop;
end $$;

-- Objects ------------------------------------------------------------------------------------------

create table if not exists storage.objects (id uuid not null primary key default gen_random_uuid());
alter table storage.objects alter column id set default gen_random_uuid();
alter table storage.objects
  add column if not exists bucket_id text,
  add column if not exists name text,
  add column if not exists owner uuid,
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now(),
  add column if not exists last_accessed_at timestamptz default now(),
  add column if not exists metadata jsonb,
  add column if not exists path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  add column if not exists version text,
  add column if not exists owner_id text,
  add column if not exists user_metadata jsonb,
  add column if not exists archived_at timestamptz,
  add column if not exists is_delete_marker boolean not null default false,
  add column if not exists is_versioned boolean not null default false;
comment on column storage.objects.owner is 'Field is deprecated, use owner_id instead';

do $$
begin
  if not exists (select from pg_catalog.pg_constraint
                  where conrelid = 'storage.objects'::regclass and conname = 'objects_bucketId_fkey') then
    alter table storage.objects add constraint "objects_bucketId_fkey" foreign key (bucket_id) references storage.buckets (id);
  end if;
  -- Versions of one name share it: a database of a newer upstream has another index in this one's place.
  if to_regclass('storage.objects_bucket_id_name_version_key') is null then
    create unique index if not exists bucketid_objname on storage.objects (bucket_id, name);
  end if;
end $$;
create index if not exists idx_objects_bucket_id_name on storage.objects (bucket_id, name collate "C");
create index if not exists idx_objects_bucket_id_name_lower on storage.objects (bucket_id, lower(name) collate "C");
create index if not exists name_prefix_search on storage.objects (name text_pattern_ops);

-- Uploads in parts ---------------------------------------------------------------------------------

create table if not exists storage.s3_multipart_uploads (
  id text primary key,
  in_progress_size bigint not null default 0,
  upload_signature text not null,
  bucket_id text not null references storage.buckets (id),
  key text collate "C" not null,
  version text not null,
  owner_id text,
  created_at timestamptz not null default now()
);
alter table storage.s3_multipart_uploads alter column in_progress_size type bigint;
alter table storage.s3_multipart_uploads
  add column if not exists user_metadata jsonb,
  add column if not exists metadata jsonb;
create index if not exists idx_multipart_uploads_list on storage.s3_multipart_uploads (bucket_id, key collate "C", created_at);

create table if not exists storage.s3_multipart_uploads_parts (
  id uuid primary key default gen_random_uuid(),
  upload_id text not null references storage.s3_multipart_uploads (id) on delete cascade,
  size bigint not null default 0,
  part_number integer not null,
  bucket_id text not null references storage.buckets (id),
  key text collate "C" not null,
  etag text not null,
  owner_id text,
  version text not null,
  created_at timestamptz not null default now()
);
alter table storage.s3_multipart_uploads_parts alter column size type bigint;

-- Analytics and vectors: upstream's tables, which only its own server fills ------------------------

create table if not exists storage.buckets_analytics (
  name text not null,
  type storage.buckettype not null default 'ANALYTICS',
  format text not null default 'ICEBERG',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  id uuid not null primary key default gen_random_uuid(),
  deleted_at timestamptz
);
alter table storage.buckets_analytics
  add column if not exists type storage.buckettype not null default 'ANALYTICS',
  add column if not exists deleted_at timestamptz;
create unique index if not exists buckets_analytics_unique_name_idx on storage.buckets_analytics (name) where deleted_at is null;

create table if not exists storage.iceberg_namespaces (
  id uuid primary key default gen_random_uuid(),
  bucket_name text not null,
  name text collate "C" not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  metadata jsonb not null default '{}',
  catalog_id uuid not null references storage.buckets_analytics (id) on delete cascade
);
create unique index if not exists idx_iceberg_namespaces_bucket_id on storage.iceberg_namespaces (catalog_id, name);

create table if not exists storage.iceberg_tables (
  id uuid primary key default gen_random_uuid(),
  namespace_id uuid not null references storage.iceberg_namespaces (id) on delete cascade,
  bucket_name text not null,
  name text collate "C" not null,
  location text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  remote_table_id text,
  shard_key text,
  shard_id text,
  catalog_id uuid not null references storage.buckets_analytics (id) on delete cascade
);
create unique index if not exists idx_iceberg_tables_namespace_id on storage.iceberg_tables (catalog_id, namespace_id, name);
create unique index if not exists idx_iceberg_tables_location on storage.iceberg_tables (location);

create table if not exists storage.buckets_vectors (
  id text not null primary key,
  -- The value of an enumeration cannot be used in the transaction that adds it, but its text can be cast later.
  type storage.buckettype not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table if not exists storage.vector_indexes (
  id text primary key default gen_random_uuid(),
  name text collate "C" not null,
  bucket_id text not null references storage.buckets_vectors (id),
  data_type text not null,
  dimension integer not null,
  distance_metric text not null,
  metadata_configuration jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index if not exists vector_indexes_name_bucket_id_idx on storage.vector_indexes (name, bucket_id);

-- Ours: files that no row names any more and that are still to be removed. The name cannot clash with one of Supabase
-- Storage, which leaves the table alone.

create table if not exists storage.basalt_removals (
  id bigint generated always as identity primary key,
  bucket_id text not null,
  name text not null,
  version text,
  due_at timestamptz not null
);
create index if not exists basalt_removals_due_at_idx on storage.basalt_removals (due_at);
comment on table storage.basalt_removals is 'Files that no object needs any more and that are still to be removed.';
comment on column storage.basalt_removals.due_at is 'When the file is removed: late enough for downloads under way.';

-- History ------------------------------------------------------------------------------------------

create table if not exists storage.migrations (
  id integer primary key,
  name varchar(100) not null unique,
  hash varchar(40) not null,
  executed_at timestamp default current_timestamp
);

-- Rights -------------------------------------------------------------------------------------------

do $$
declare
  r record;
begin
  for r in select c.relname from pg_catalog.pg_class c
            where c.relnamespace = 'storage'::regnamespace and c.relkind = 'r' and not c.relrowsecurity
              and pg_catalog.pg_get_userbyid(c.relowner) = 'supabase_storage_admin'
  loop
    execute format('alter table storage.%I enable row level security', r.relname);
  end loop;
end $$;

grant all on storage.buckets, storage.objects, storage.buckets_analytics, storage.buckets_vectors, storage.vector_indexes
  to anon, authenticated, service_role;
grant all on storage.buckets, storage.objects to postgres with grant option;
revoke all on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts, storage.iceberg_namespaces, storage.iceberg_tables
  from anon, authenticated;
grant select on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts, storage.iceberg_namespaces, storage.iceberg_tables
  to anon, authenticated;
grant all on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts, storage.iceberg_namespaces, storage.iceberg_tables
  to service_role;
revoke all on storage.migrations, storage.basalt_removals from anon, authenticated, service_role;
-- Rows are committed by the service role, and what they replace is noted in the same transaction.
grant insert on storage.basalt_removals to service_role;
