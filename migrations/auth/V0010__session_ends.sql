-- When sessions have to end that sign-ins under way are going to open, where an identity provider says so.
-- The table is ours: its name cannot clash with one of Supabase Auth, which leaves it alone. Its rows go
-- with the sign-ins.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_session_ends (
  flow_state_id uuid primary key references auth.flow_state (id) on delete cascade,
  not_after timestamptz not null
);

alter table auth.basalt_session_ends enable row level security;

comment on table auth.basalt_session_ends is 'When sessions have to end that sign-ins under way are going to open.';
