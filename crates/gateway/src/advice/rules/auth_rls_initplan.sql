-- Policies that call functions of auth for every row.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table',
  format('Policy `%s` on `%s.%s` calls a function for every row that could be called once', p.polname, n.nspname, c.relname)
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  values (pg_get_expr(p.polqual, p.polrelid)), (pg_get_expr(p.polwithcheck, p.polrelid))
) as condition (text)
where c.relkind = 'r'
  and c.relrowsecurity
  and n.nspname <> all ($1)
  -- Postgres prints what is called once as ( SELECT auth.uid() AS uid).
  and regexp_replace(condition.text, '(?i)select\s+(auth\.(uid|jwt|role|email)\(\)|current_setting\()', '', 'g')
      ~ 'auth\.(uid|jwt|role|email)\(\)|current_setting\('
group by n.nspname, c.relname, p.polname
order by 1, 2, p.polname
