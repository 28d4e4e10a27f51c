create schema bench;
create function bench.id(n int) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create function bench.token(secret text, n int) returns text language sql as $$
  select extensions.sign(json_build_object('role', 'authenticated', 'aud', 'authenticated', 'sub', bench.id(n),
    'exp', extract(epoch from now())::bigint + 3600), secret)
$$;

create table public.bench_members (user_id uuid primary key);
insert into public.bench_members select bench.id(n) from generate_series(1, :users) n;

create table public.bench_news (
  id bigint generated always as identity primary key,
  owner uuid not null,
  t text not null default (extract(epoch from clock_timestamp()) * 1000000000)::bigint::text
);
create table public.bench_notes (like public.bench_news including all);

alter table public.bench_members enable row level security;
alter table public.bench_news enable row level security;
alter table public.bench_notes enable row level security;
create policy own on public.bench_members for select to authenticated using (user_id = (select auth.uid()));
create policy members on public.bench_news for select to authenticated
  using (exists (select from public.bench_members m where m.user_id = (select auth.uid())));
create policy own on public.bench_notes for select to authenticated using (owner = (select auth.uid()));
grant select on public.bench_members, public.bench_news, public.bench_notes to authenticated;

alter publication supabase_realtime add table public.bench_news, public.bench_notes;
