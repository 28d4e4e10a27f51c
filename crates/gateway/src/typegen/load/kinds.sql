-- Types of all schemas, with those of rows.
select pg_catalog.jsonb_build_object(
  'id', t.oid::int8,
  'name', t.typname,
  'schema', n.nspname,
  'format', pg_catalog.format_type(t.oid, null),
  'labels', array(
    select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder
  ),
  'attributes', coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', a.attname, 'kind', a.atttypid::int8) order by a.attnum)
    from pg_catalog.pg_attribute a
    where c.relkind = 'c' and a.attrelid = c.oid and not a.attisdropped
  ), '[]'),
  'relation', nullif(t.typrelid::int8, 0)
)
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_class c on c.oid = t.typrelid
where t.typrelid = 0 or c.relkind in ('c', 'r', 'v', 'm', 'p', 'f')
