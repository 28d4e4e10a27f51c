\set id random(1, 20000)
\set from random(1, 19000)
\set parent random(1, 200)
\startpipeline
begin;
select set_config('search_path', '"public", "extensions"', true), set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":":owner","role":"authenticated","aud":"authenticated","email":"bench@example.com","session_id":"00000000-0000-4000-8000-000000000000","is_anonymous": false}', true), set_config('request.method', 'GET', true), set_config('request.path', '/bench_items', true), set_config('request.headers', '{"host":"localhost","content-type":"application/json"}', true), set_config('request.cookies', '{}', true);
-- statement
commit;
\endpipeline
