-- What buckets keep, and how much they hold (basalt_bucket_settings). The functions act with the rights of their owner:
-- whoever writes an object need not be able to see these tables.
set local role supabase_storage_admin;
set local search_path to '';

-- A version that an object no longer has is kept for as long as its bucket says. What moves is not gone.
create or replace function storage.basalt_keep_version() returns trigger
language plpgsql security definer set search_path to '' as $$
declare
  seconds bigint;
begin
  select s.keep_versions_seconds into seconds from storage.basalt_bucket_settings s where s.bucket_id = old.bucket_id;
  if seconds is not null then
    insert into storage.basalt_versions
      (bucket_id, name, version, reason, owner, owner_id, metadata, user_metadata, created_at, expires_at)
    values (old.bucket_id, old.name, old.version, case tg_op when 'DELETE' then 'deleted' else 'overwritten' end,
            old.owner, old.owner_id, old.metadata, old.user_metadata, old.updated_at,
            now() + make_interval(secs => seconds));
  end if;
  return null;
end $$;

create or replace trigger basalt_keep_deleted
  after delete on storage.objects
  for each row execute function storage.basalt_keep_version();

create or replace trigger basalt_keep_overwritten
  after update on storage.objects
  for each row
  when (old.bucket_id = new.bucket_id and old.name = new.name and old.version is distinct from new.version)
  execute function storage.basalt_keep_version();

create or replace function storage.basalt_object_size(metadata jsonb) returns bigint
language sql immutable set search_path to '' as $$
  select case when jsonb_typeof(metadata -> 'size') = 'number' then trunc((metadata ->> 'size')::numeric)::bigint else 0 end
$$;

-- Changes the count of a bucket that has a quota, and refuses what goes beyond. The row is locked until the transaction
-- ends: two uploads never both find the last free byte. Called by itself it has the rights of whoever calls: none.
create or replace function storage.basalt_count(bucket text, bytes bigint, objects bigint) returns void
language plpgsql set search_path to '' as $$
declare
  s storage.basalt_bucket_settings;
begin
  update storage.basalt_bucket_settings
     set used_bytes = used_bytes + bytes, used_objects = used_objects + objects
   where bucket_id = bucket and (quota_bytes is not null or quota_objects is not null)
  returning * into s;
  if objects > 0 and s.used_objects > s.quota_objects then
    raise exception 'The bucket may hold % objects and has no room for another', s.quota_objects using errcode = 'BQ001';
  end if;
  if bytes > 0 and s.used_bytes > s.quota_bytes then
    raise exception 'The bucket may hold % bytes and has no room for this', s.quota_bytes using errcode = 'BQ001';
  end if;
end $$;

create or replace function storage.basalt_count_objects() returns trigger
language plpgsql security definer set search_path to '' as $$
declare
  before bigint;
  after bigint;
begin
  if tg_op = 'INSERT' then
    perform storage.basalt_count(new.bucket_id, storage.basalt_object_size(new.metadata), 1);
  elsif tg_op = 'DELETE' then
    perform storage.basalt_count(old.bucket_id, - storage.basalt_object_size(old.metadata), -1);
  else
    before := storage.basalt_object_size(old.metadata);
    after := storage.basalt_object_size(new.metadata);
    if old.bucket_id = new.bucket_id then
      if before <> after then
        perform storage.basalt_count(new.bucket_id, after - before, 0);
      end if;
    else
      -- In one order, whoever moves where.
      perform from storage.basalt_bucket_settings s
        where s.bucket_id in (old.bucket_id, new.bucket_id) order by s.bucket_id for update;
      perform storage.basalt_count(old.bucket_id, - before, -1);
      perform storage.basalt_count(new.bucket_id, after, 1);
    end if;
  end if;
  return null;
end $$;

create or replace trigger basalt_count_objects
  after insert or delete or update of bucket_id, metadata on storage.objects
  for each row execute function storage.basalt_count_objects();

-- What was kept of a bucket that is gone expires.
create or replace function storage.basalt_forget_bucket() returns trigger
language plpgsql security definer set search_path to '' as $$
begin
  update storage.basalt_versions set expires_at = least(expires_at, now()) where bucket_id = old.id;
  return null;
end $$;

create or replace trigger basalt_forget_bucket
  after delete on storage.buckets
  for each row execute function storage.basalt_forget_bucket();

-- A version that is forgotten has no more use for its file.
create or replace function storage.basalt_discard_version() returns trigger
language plpgsql security definer set search_path to '' as $$
begin
  insert into storage.basalt_removals (bucket_id, name, version, due_at)
  values (old.bucket_id, old.name, old.version, now() + interval '1 minute');
  return null;
end $$;

create or replace trigger basalt_discard_version
  after delete on storage.basalt_versions
  for each row execute function storage.basalt_discard_version();
