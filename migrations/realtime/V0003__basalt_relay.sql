-- What instances of the server say to each other, for a minute. After a crash of the database it is empty: nobody has
-- to hear it any more. Notifications carry none of it, because anybody who can run SQL can send one.

set local role supabase_realtime_admin;
set local search_path to '';

create unlogged table if not exists realtime.basalt_relay (
  sender bigint not null,
  number bigint not null,
  body bytea not null,
  sent_at timestamp with time zone not null default now(),
  primary key (sender, number)
);

comment on table realtime.basalt_relay is 'Messages between several servers of one database; kept for a minute.';
