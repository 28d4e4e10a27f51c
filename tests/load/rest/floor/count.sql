select (select count(*) from public.bench_items where parent_id = :parent), coalesce(json_agg(t), '[]') from (select * from public.bench_items where parent_id = :parent limit 20) t;
