-- What reads what: schema and name of a relation, schema and name of a view on it, at any distance.
-- $1: schemas of views that are left out.
with recursive direct as (
  select distinct d.refobjid as relation, r.ev_class as view
  from pg_catalog.pg_depend d
  join pg_catalog.pg_rewrite r on r.oid = d.objid
  where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
), reached as (
  select relation, view from direct
  union
  select reached.relation, direct.view from reached join direct on direct.relation = reached.view
)
select rn.nspname::text, r.relname::text, vn.nspname::text, v.relname::text
from reached
join pg_catalog.pg_class r on r.oid = reached.relation
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
join pg_catalog.pg_class v on v.oid = reached.view
join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
where v.relkind in ('v', 'm') and vn.nspname <> all ($1)
order by 1, 2, 3, 4
