-- Checks of tables: schema, table, name, definition. Those that are not validated are no part of a table's own text.
-- $1: schemas that are left out.
select n.nspname::text, c.relname::text, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid)
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'c' and k.convalidated and k.conislocal
  and n.nspname <> all ($1)
order by c.oid, k.conname
