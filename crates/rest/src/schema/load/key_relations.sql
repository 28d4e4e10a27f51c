-- Relations outside the exposed schemas that have keys.
-- $1: relations.
select
  c.oid,
  n.nspname,
  c.relname,
  array_agg(a.attnum),
  array_agg(a.attname)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid
where c.oid = any ($1::oid[])
  and a.attnum > 0
group by c.oid, n.oid
