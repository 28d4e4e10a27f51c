-- Codes that stand in for a second factor that is lost, each good once. The table is ours: its name cannot
-- clash with one of Supabase Auth, which leaves it alone. Its rows go with their account.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_recovery_codes (
  user_id uuid not null references auth.users (id) on delete cascade,
  hash bytea not null,
  created_at timestamptz not null,
  primary key (user_id, hash)
);

alter table auth.basalt_recovery_codes enable row level security;

comment on table auth.basalt_recovery_codes is 'Codes that stand in for a second factor that is lost.';
