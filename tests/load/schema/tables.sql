-- Tables :from to :to, each with a key, a reference and an index; a view and a function for every tenth.
begin;
select format(
  'create table public.bench_%s (id int primary key, parent_id int references public.bench_%s (id), '
  'name text not null, amount numeric(10, 2) default 0, tags jsonb, created_at timestamptz default now()); '
  'create index on public.bench_%1$s (parent_id); '
  || case when n % 10 = 0 then
  'create view public.bench_view_%1$s as select id, parent_id, name from public.bench_%1$s; '
  'create function public.bench_function_%1$s(a int, b text default null) returns setof public.bench_%1$s '
  'language sql stable as ''select * from public.bench_%1$s where id = a'';' else '' end,
  n, n - n % 100)
from generate_series(:from, :to) n order by n
\gexec
commit;
