-- What the bench reads and writes: rows that belong to one user, a parent for each, a function.
create table public.bench_parents (
  id int primary key,
  name text not null
);
create table public.bench_items (
  id int primary key,
  parent_id int not null references public.bench_parents (id),
  owner uuid not null,
  title text not null,
  done boolean not null default false,
  amount numeric(10, 2) not null,
  tags jsonb not null,
  created_at timestamptz not null
);
create table public.bench_notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid(),
  body text not null
);
insert into public.bench_parents select g, 'parent ' || g from generate_series(1, 200) g;
insert into public.bench_items
select g, 1 + g % 200, :'owner'::uuid, 'title of item ' || g, g % 3 = 0, g * 1.25,
       jsonb_build_object('colour', 'green', 'rank', g % 7), '2024-01-01'::timestamptz + g * interval '1 minute'
from generate_series(1, 20000) g;
create index on public.bench_items (parent_id);
alter table public.bench_parents enable row level security;
alter table public.bench_items enable row level security;
alter table public.bench_notes enable row level security;
create policy read on public.bench_parents for select to authenticated using (true);
create policy own on public.bench_items for all to authenticated using (owner = (select auth.uid()));
create policy own on public.bench_notes for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create function public.bench_add(a int, b int) returns int language sql immutable as 'select a + b';
analyze public.bench_parents, public.bench_items;
