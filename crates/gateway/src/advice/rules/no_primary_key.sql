-- Tables without a primary key.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table', format('Table `%s.%s` has no primary key', n.nspname, c.relname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r'
  and n.nspname <> all ($1)
  and not exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary)
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by 1, 2
