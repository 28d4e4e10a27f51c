-- Indexes that no query has used since statistics are kept.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table', format('Index `%s` of `%s.%s` has not been used', x.relname, n.nspname, c.relname)
from pg_catalog.pg_index i
join pg_catalog.pg_class x on x.oid = i.indexrelid
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname <> all ($1)
  and not i.indisunique
  and coalesce(pg_catalog.pg_stat_get_numscans(x.oid), 0) = 0
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by 1, 2, x.relname
