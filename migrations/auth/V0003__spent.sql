-- Proofs that count once, from the moment they were used until they would not count any more anyway.
-- The table is ours: its name cannot clash with one of Supabase Auth, which leaves it alone.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_spent (
  kind text not null,
  hash bytea not null,
  expires_at timestamptz not null,
  primary key (kind, hash)
);

create index if not exists basalt_spent_expires_at_idx on auth.basalt_spent (expires_at);

alter table auth.basalt_spent enable row level security;

comment on table auth.basalt_spent is 'Proofs that count once and were used, such as the messages of wallets.';
comment on column auth.basalt_spent.hash is 'SHA-256 of the proof.';
