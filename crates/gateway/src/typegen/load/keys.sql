-- Primary, unique and foreign keys of all schemas: a view may show columns of any table.
select pg_catalog.jsonb_build_object(
  'form', k.contype,
  'name', k.conname,
  'schema', kn.nspname,
  'relation', c.oid::int8,
  'relation_schema', n.nspname,
  'relation_name', c.relname,
  'columns', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('position', a.attnum, 'name', a.attname) order by place)
    from pg_catalog.unnest(k.conkey) with ordinality as key (number, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = key.number
  ),
  'foreign', nullif(k.confrelid::int8, 0),
  'foreign_schema', fn.nspname,
  'foreign_name', f.relname,
  'foreign_columns', coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('position', a.attnum, 'name', a.attname) order by place)
    from pg_catalog.unnest(k.confkey) with ordinality as key (number, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = key.number
  ), '[]'),
  'is_original', k.conparentid = 0
)
from pg_catalog.pg_constraint k
join pg_catalog.pg_namespace kn on kn.oid = k.connamespace
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_class f on f.oid = k.confrelid
left join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
where k.contype in ('p', 'u', 'f')
  and kn.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
