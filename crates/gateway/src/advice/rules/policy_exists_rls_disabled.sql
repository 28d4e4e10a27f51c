-- Tables with policies, without row-level security.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table',
  format('Table `%s.%s` has policies, but no row-level security: %s', n.nspname, c.relname, string_agg(p.polname, ', ' order by p.polname))
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r'
  and not c.relrowsecurity
  and n.nspname <> all ($1)
group by n.nspname, c.relname
order by 1, 2
