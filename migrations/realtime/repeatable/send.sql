-- Broadcasts from the database. What is sent is a row of realtime.messages, so row security decides whether the caller
-- may. A transaction never fails because of a broadcast: every error becomes a warning.
set local role supabase_realtime_admin;
set local search_path to '';

create or replace function realtime.topic() returns text
  language sql stable
  return nullif(pg_catalog.current_setting('realtime.topic', true), '')::text;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
  returns void language plpgsql as $$
declare
  message_id uuid := pg_catalog.gen_random_uuid();
  content jsonb := payload;
begin
  perform pg_catalog.set_config('realtime.topic', topic, true);
  if pg_catalog.jsonb_typeof(content) = 'object' and not content ? 'id' then
    content := content || pg_catalog.jsonb_build_object('id', message_id);
  end if;
  insert into realtime.messages (id, payload, event, topic, private, extension, inserted_at)
  values (message_id, content, event, topic, private, 'broadcast', pg_catalog.timezone('utc', pg_catalog.now()));
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end $$;

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
  returns void language plpgsql as $$
begin
  perform pg_catalog.set_config('realtime.topic', topic, true);
  insert into realtime.messages (binary_payload, event, topic, private, extension, inserted_at)
  values (payload, event, topic, private, 'broadcast', pg_catalog.timezone('utc', pg_catalog.now()));
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end $$;

create or replace function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text, new record, old record,
  level text default 'ROW')
  returns void language plpgsql as $$
declare
  before jsonb;
  after jsonb;
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  if operation in ('INSERT', 'UPDATE') then
    after := pg_catalog.to_jsonb(new);
  end if;
  if operation in ('UPDATE', 'DELETE') then
    before := pg_catalog.to_jsonb(old);
  end if;
  if operation is null or operation not in ('INSERT', 'UPDATE', 'DELETE') then
    raise exception 'Unexpected operation type: %', operation;
  end if;
  perform realtime.send(
    pg_catalog.jsonb_build_object('old_record', before, 'record', after, 'operation', operation, 'table', table_name,
      'schema', table_schema),
    event_name, topic_name);
exception when others then
  raise exception 'Failed to process the row: %', sqlerrm;
end $$;
