-- Mails and messages on their way, written in the transaction that caused them and deleted once they
-- are sent. The table is ours: its name cannot clash with one of Supabase Auth, which leaves it alone.
--
-- Nobody but the owner and the developer's roles, who have all of this schema, may read it: until
-- a message is sent, its code stands in it.

set local role supabase_auth_admin;
set local search_path to '';

create table if not exists auth.basalt_outbox (
  id uuid primary key,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  attempts int4 not null default 0,
  next_attempt_at timestamptz not null,
  message jsonb not null
);

create index if not exists basalt_outbox_next_attempt_at_idx on auth.basalt_outbox (next_attempt_at);

alter table auth.basalt_outbox enable row level security;

comment on table auth.basalt_outbox is 'Mails and messages that are not sent yet.';
comment on column auth.basalt_outbox.expires_at is 'When the message is of no use any more and is dropped.';
comment on column auth.basalt_outbox.next_attempt_at is 'When it is tried next; while one is at it, when others may.';
