insert into public.bench_notes (body) values ('note ' || :id);
