select coalesce(json_agg(t), '[]') from (select * from public.bench_items where id > :from limit 100) t;
