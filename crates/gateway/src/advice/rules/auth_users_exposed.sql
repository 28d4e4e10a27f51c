-- Views that the API serves and that read auth.users.
-- $1: served schemas.
select distinct n.nspname::text, c.relname::text, 'view', format('`%s.%s` shows rows of auth.users to roles of the API', n.nspname, c.relname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_rewrite w on w.ev_class = c.oid
join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
where c.relkind in ('v', 'm')
  and d.refobjid = to_regclass('auth.users')
  and n.nspname = any ($1)
  and (has_table_privilege('anon', c.oid, 'select') or has_table_privilege('authenticated', c.oid, 'select'))
  -- A view with the rights of its reader is none: they may not read the table.
  and not (c.relkind = 'v' and lower(coalesce(c.reloptions::text, '{}'))::text[] && array['security_invoker=1', 'security_invoker=true', 'security_invoker=yes', 'security_invoker=on'])
order by 1, 2
