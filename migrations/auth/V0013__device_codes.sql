-- Devices without a browser of their own that ask for access (RFC 8628), from their first request to the
-- exchange of their code, by a hash of it. The table is ours, as basalt_outbox is. Its rows go with the
-- application and with the account.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_device_codes (
  hash text primary key,
  user_code text not null unique,
  client_id uuid not null references auth.oauth_clients (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  scope text not null,
  status text not null check (status in ('pending', 'approved', 'denied')),
  poll_seconds int4 not null,
  polled_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

create index if not exists basalt_device_codes_client_idx on auth.basalt_device_codes (client_id);
create index if not exists basalt_device_codes_user_idx on auth.basalt_device_codes (user_id);
create index if not exists basalt_device_codes_expires_idx on auth.basalt_device_codes (expires_at);

alter table auth.basalt_device_codes enable row level security;

comment on table auth.basalt_device_codes is 'Devices without a browser that ask for access.';
comment on column auth.basalt_device_codes.user_code is 'What people type in.';
comment on column auth.basalt_device_codes.user_id is 'Who answered.';
comment on column auth.basalt_device_codes.poll_seconds is 'How long the device has to wait between two questions.';
