-- Wrong passwords for an address or number, from one place and from everywhere, by a hash of both; and the
-- places from which the right one came. The table is ours, as basalt_outbox is.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_lockouts (
  key text primary key,
  failures int4 not null,
  at timestamptz not null,
  until timestamptz,
  proved_at timestamptz
);

create index if not exists basalt_lockouts_at_idx on auth.basalt_lockouts (at);

alter table auth.basalt_lockouts enable row level security;

comment on table auth.basalt_lockouts is 'Wrong passwords, which have to wait for each other.';
comment on column auth.basalt_lockouts.at is 'When the last wrong or right password came.';
comment on column auth.basalt_lockouts.until is 'No password is looked at before.';
comment on column auth.basalt_lockouts.proved_at is 'When the right password came from this place.';
