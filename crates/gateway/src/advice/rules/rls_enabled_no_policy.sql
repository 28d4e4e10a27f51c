-- Tables with row-level security, without policies.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table', format('Table `%s.%s` has row-level security and no policy', n.nspname, c.relname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r'
  and c.relrowsecurity
  and n.nspname <> all ($1)
  and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by 1, 2
