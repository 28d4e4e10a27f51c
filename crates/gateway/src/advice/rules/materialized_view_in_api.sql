-- Materialized views that the API serves.
-- $1: served schemas.
select n.nspname::text, c.relname::text, 'materialized view', format('Materialized view `%s.%s` is served by the API', n.nspname, c.relname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm'
  and n.nspname = any ($1)
  and (has_table_privilege('anon', c.oid, 'select') or has_table_privilege('authenticated', c.oid, 'select'))
order by 1, 2
