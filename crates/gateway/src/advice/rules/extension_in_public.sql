-- Extensions in public, if the API serves it.
-- $1: served schemas.
select n.nspname::text, e.extname::text, 'extension', format('Extension `%s` is in public', e.extname)
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where n.nspname = 'public' and n.nspname = any ($1)
order by 1, 2
