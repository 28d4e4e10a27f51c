-- The browsers and networks that accounts were entered from, kept only where new ones are told by mail
-- (auth.email.notification.new_device). The table is ours: its name cannot clash with one of Supabase Auth,
-- which leaves it alone.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_devices (
  user_id uuid not null references auth.users (id) on delete cascade,
  user_agent text not null,
  network cidr not null,
  last_seen_at timestamptz not null,
  primary key (user_id, user_agent, network)
);

create index if not exists basalt_devices_last_seen_at_idx on auth.basalt_devices (last_seen_at);

alter table auth.basalt_devices enable row level security;

comment on table auth.basalt_devices is 'Browsers and networks that accounts were entered from.';
