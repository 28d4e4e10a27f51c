-- What happened to objects and has not been told yet, when webhooks are switched on. Ours, as the other tables that are
-- called basalt_.

set local role supabase_storage_admin;
set local search_path to '';

create table if not exists storage.basalt_events (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity,
  type text not null,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  due_at timestamptz not null default now()
);
create index if not exists basalt_events_due_at_idx on storage.basalt_events (due_at, number);
comment on table storage.basalt_events is 'What happened to objects and has not been told to the webhook yet.';

alter table storage.basalt_events enable row level security;
revoke all on storage.basalt_events from public, anon, authenticated, service_role;
