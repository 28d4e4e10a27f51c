-- Tables, views and what is used like them.
-- $1: schemas.
select pg_catalog.jsonb_build_object(
  'id', c.oid::int8,
  'schema', n.nspname,
  'name', c.relname,
  'form', case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' when 'f' then 'foreign_table' else 'table' end,
  -- Also by triggers and rules; 8 is insert, 4 is update.
  'takes_inserts', c.relkind = 'v' and pg_catalog.pg_relation_is_updatable(c.oid, true) & 8 <> 0,
  'takes_updates', c.relkind = 'v' and pg_catalog.pg_relation_is_updatable(c.oid, true) & 4 <> 0
)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1)
  and (
    c.relkind in ('v', 'm', 'f')
    or c.relkind in ('r', 'p')
    and not pg_catalog.pg_is_other_temp_schema(n.oid)
    and (
      pg_catalog.pg_has_role(c.relowner, 'usage')
      or pg_catalog.has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
      or pg_catalog.has_any_column_privilege(c.oid, 'select, insert, update, references')
    )
  )
