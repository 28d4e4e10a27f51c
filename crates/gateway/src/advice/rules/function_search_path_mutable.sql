-- Functions without a search_path of their own.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, p.proname::text, 'function', format('Function `%s.%s` has no search_path of its own', n.nspname, p.proname)
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname <> all ($1)
  and not coalesce(p.proconfig, '{}')::text ~ 'search_path='
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
order by 1, 2, p.oid
