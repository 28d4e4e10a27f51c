-- What the attacks aim at: rows that belong to somebody, a table without grants, and functions that a careless
-- developer might have written.
create table public.notes (
  id bigint generated always as identity primary key,
  user_id uuid not null default auth.uid() references auth.users (id),
  body text not null unique,
  data jsonb,
  tags text[]
);
alter table public.notes enable row level security;
create policy own_notes on public.notes for all to anon, authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create table public.ungranted (id int primary key, body text);
insert into public.ungranted values (1, 'nobody was granted this');
revoke all on public.ungranted from anon, authenticated, service_role;

create table public.canary (id int primary key, body text not null);
insert into public.canary values (1, 'alive');
grant select on public.canary to anon, authenticated;

create function public.whoami() returns json language sql stable as $$
  select json_build_object(
    'role', current_user,
    'claims', nullif(current_setting('request.jwt.claims', true), '')::json,
    'statement_timeout', current_setting('statement_timeout'),
    'search_path', current_setting('search_path'),
    'marker', nullif(current_setting('test.marker', true), ''))
$$;

create function public.echo(value text) returns text language sql immutable as $$ select value $$;

-- Turns into a role by set_config, then counts what that role may see.
create function public.become(name text, for_transaction boolean) returns bigint language plpgsql as $$
begin
  perform set_config('role', name, for_transaction);
  return (select count(*) from public.notes);
end $$;

create function public.become_by_statement(name text) returns bigint language plpgsql as $$
begin
  execute format('set local role %I', name);
  return (select count(*) from public.notes);
end $$;

create function public.reset_role() returns bigint language plpgsql as $$
begin
  reset role;
  return (select count(*) from public.notes);
end $$;

create function public.become_in_session(name text) returns text language plpgsql as $$
begin
  execute format('set session authorization %I', name);
  return current_user;
end $$;

create function public.set_for_session(name text, value text) returns text language plpgsql as $$
begin
  return set_config(name, value, false);
end $$;

create table public.smuggled (id int primary key, body text);
