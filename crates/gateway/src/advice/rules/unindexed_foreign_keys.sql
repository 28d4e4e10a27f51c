-- Foreign keys without an index that begins with their columns.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table',
  format('Foreign key `%s` of `%s.%s` has no index', k.conname, n.nspname, c.relname)
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f'
  and n.nspname <> all ($1)
  and not exists (
    select from pg_catalog.pg_index i
    where i.indrelid = k.conrelid
      and (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(k.conkey)] operator(pg_catalog.@>) k.conkey
  )
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by 1, 2, k.conname
