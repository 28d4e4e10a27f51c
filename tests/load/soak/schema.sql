-- What the soak needs beside the tables of bench-rest: a table whose rows are written over and over, a function that fails.
create table public.soak_marks (
  id int primary key,
  label text not null,
  count int not null default 0 check (count >= 0)
);
alter table public.soak_marks enable row level security;
create policy all_of_them on public.soak_marks for all to authenticated using (true) with check (id >= 0);
create function public.soak_fail() returns int language plpgsql as $$ begin raise exception 'as it should'; end $$;
