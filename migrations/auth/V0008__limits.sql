-- What has to be remembered of limits when the process starts again: how many mails and messages may
-- still be sent, and when a code for an address or number without an account was last asked for, by a
-- hash. The table is ours, as basalt_outbox is.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_limits (
  name text primary key,
  tokens float8 not null,
  at timestamptz not null
);

create index if not exists basalt_limits_at_idx on auth.basalt_limits (at);

alter table auth.basalt_limits enable row level security;

comment on table auth.basalt_limits is 'Limits that outlive the process.';
comment on column auth.basalt_limits.tokens is 'How many more were allowed.';
comment on column auth.basalt_limits.at is 'When that was.';
