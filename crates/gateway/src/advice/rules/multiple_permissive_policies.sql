-- Tables with several permissive policies for one role and action.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table',
  format('Table `%s.%s` has several permissive policies for role `%s` and action `%s`: %s',
    n.nspname, c.relname, r.rolname, action.name, string_agg(p.polname, ', ' order by p.polname))
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r
  on (r.oid = any (p.polroles) or p.polroles = '{0}')
  and not r.rolbypassrls
  -- Also pgbouncer: the underscore stands for any letter.
  and r.rolname not like 'pg_%' and r.rolname not like 'supabase%admin'
cross join lateral unnest(
  case p.polcmd when 'r' then '{SELECT}' when 'a' then '{INSERT}' when 'w' then '{UPDATE}' when 'd' then '{DELETE}'
                else '{SELECT,INSERT,UPDATE,DELETE}' end::text[]
) as action (name)
where c.relkind = 'r'
  and c.relrowsecurity
  and p.polpermissive
  and n.nspname <> all ($1)
group by n.nspname, c.relname, r.rolname, action.name
having count(*) > 1
order by 1, 2, r.rolname, action.name
