-- Views of these schemas, and those that they read.
-- $1: schemas whose views are looked through.
with recursive view (id) as (
  select c.oid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = any ($1) and c.relkind in ('v', 'm')
  union
  select d.refobjid
  from view
  join pg_catalog.pg_rewrite w on w.ev_class = view.id and w.rulename = '_RETURN'
  join pg_catalog.pg_depend d
    on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
  join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('v', 'm')
)
select pg_catalog.jsonb_build_object(
  'view', c.oid::int8,
  'schema', n.nspname,
  'name', c.relname,
  'is_seen', n.nspname = any ($1),
  'query', w.ev_action::text,
  'columns', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('position', a.attnum, 'name', a.attname) order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0
  ),
  'never_null', coalesce((
    select pg_catalog.jsonb_agg(distinct pg_catalog.jsonb_build_array(d.refobjid::int8, d.refobjsubid))
    from pg_catalog.pg_depend d
    join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    join pg_catalog.pg_type t on t.oid = a.atttypid
    where d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
      and d.refobjsubid > 0
      and (a.attnotnull or t.typtype = 'd' and t.typnotnull)
  ), '[]')
)
from view
join pg_catalog.pg_class c on c.oid = view.id
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
