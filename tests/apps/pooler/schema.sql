-- Notes that their owners alone see, and functions that say as whom they ran and with what.

create table public.notes (
  id int generated always as identity primary key,
  owner text not null default current_setting('request.jwt.claims')::json ->> 'sub',
  body text not null check (body <> ''));
alter table public.notes enable row level security;
create policy own on public.notes to authenticated
  using (owner = current_setting('request.jwt.claims')::json ->> 'sub');
grant select, insert, update on public.notes to anon, authenticated;

create function public.whoami() returns json language sql volatile as $$
  select json_build_object(
    'role', current_user,
    'sub', current_setting('request.jwt.claims', true)::json ->> 'sub',
    'agent', current_setting('request.headers', true)::json ->> 'user-agent',
    'zone', current_setting('timezone'),
    'word', nullif(current_setting('app.word', true), ''))
$$;

-- Settings for the session, which the next request on the same connection must not see.
create function public.remember(word text) returns json language sql volatile as $$
  select json_build_object('word', set_config('app.word', word, false),
    'zone', set_config('timezone', 'Asia/Tokyo', false))
$$;

create role pooled noinherit login password 'only for this test';
grant anon, authenticated to pooled;
