-- Answers GraphQL requests while the extension pg_graphql, which brings the real function, is not installed.
do $do$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pg_graphql') then
    return;
  end if;
  create or replace function graphql_public.graphql(
    "operationName" text default null,
    query text default null,
    variables jsonb default null,
    extensions jsonb default null)
  returns jsonb language sql stable as $$
    select jsonb_build_object('data', null, 'errors', jsonb_build_array('pg_graphql extension is not enabled.'))
  $$;
  grant execute on function graphql_public.graphql(text, text, jsonb, jsonb) to postgres, anon, authenticated, service_role;
end $do$;
