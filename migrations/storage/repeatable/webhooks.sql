-- Notes what happens to objects, in the transaction in which it happens. The server switches it on for its own requests by a setting,
-- which says what of it is to be told; whoever changes a row by SQL is not noticed.
set local role supabase_storage_admin;
set local search_path to '';

create or replace function storage.basalt_note_event() returns trigger
language plpgsql security definer set search_path to '' as $$
declare
  wanted constant jsonb := current_setting('storage.basalt_events', true)::jsonb;
  request constant jsonb := wanted -> 'request';
  origin jsonb;
  payload jsonb;
  kinds text[];
  kind text;
begin
  if tg_op <> 'INSERT' then
    origin := request || jsonb_build_object('bucketId', old.bucket_id, 'name', old.name, 'version', old.version);
  end if;
  if tg_op <> 'DELETE' then
    payload := request
      || jsonb_build_object('bucketId', new.bucket_id, 'name', new.name, 'version', new.version, 'metadata', new.metadata);
  end if;
  if tg_op = 'INSERT' then
    kinds := array[case when current_setting('storage.operation', true) like '%.copy' then 'ObjectCreated:Copy'
                        else 'ObjectCreated:Post' end];
  elsif tg_op = 'DELETE' then
    kinds := array['ObjectRemoved:Delete'];
    origin := origin || jsonb_build_object('metadata', old.metadata);
  elsif (old.bucket_id, old.name) is distinct from (new.bucket_id, new.name) then
    kinds := array['ObjectRemoved:Move', 'ObjectCreated:Move'];
    payload := payload || jsonb_build_object('oldObject', origin);
  elsif old.version is distinct from new.version then
    kinds := array[case when current_setting('storage.operation', true) like '%.copy' then 'ObjectCreated:Copy'
                        else 'ObjectCreated:Put' end];
  elsif old.metadata is distinct from new.metadata or old.user_metadata is distinct from new.user_metadata then
    kinds := array['ObjectUpdated:Metadata'];
  end if;
  foreach kind in array coalesce(kinds, '{}') loop
    -- An empty list is a list of all.
    if (wanted -> 'events' = '[]' or wanted -> 'events' ? kind)
       and (wanted -> 'buckets' = '[]'
            or wanted -> 'buckets' ? (case when kind like 'ObjectRemoved:%' then old.bucket_id else new.bucket_id end)) then
      insert into storage.basalt_events (type, payload)
      values (kind, case when kind like 'ObjectRemoved:%' then origin else payload end);
    end if;
  end loop;
  return null;
end $$;

create or replace trigger basalt_note_event
  after insert or update or delete on storage.objects
  for each row
  when (current_setting('storage.basalt_events', true) <> '')
  execute function storage.basalt_note_event();
