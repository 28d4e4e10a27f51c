-- Policies that look into user_metadata, on tables that the API serves.
-- $1: served schemas.
select n.nspname::text, c.relname::text, 'table',
  format('Policy `%s` on `%s.%s` looks into user_metadata', p.polname, n.nspname, c.relname)
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1)
  and concat(pg_get_expr(p.polqual, p.polrelid), ' ', pg_get_expr(p.polwithcheck, p.polrelid))
      ~ 'auth\.jwt\(\).*user_metadata|request\.jwt\.claims.*user_metadata'
order by 1, 2, p.polname
