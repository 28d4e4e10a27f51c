select to_json(public.bench_add(:id, 2));
