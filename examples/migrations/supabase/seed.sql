insert into public.products (name, price) values ('Teapot', 24.90), ('Cup', 6.50)
on conflict (name) do nothing;
