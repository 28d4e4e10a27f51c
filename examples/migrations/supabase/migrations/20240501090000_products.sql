create table public.products (
  id bigint generated always as identity primary key,
  name text not null unique,
  price numeric(10, 2) not null check (price > 0)
);

alter table public.products enable row level security;

create policy products_are_public on public.products for select to anon, authenticated using (true);
