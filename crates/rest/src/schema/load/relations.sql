-- Tables, views and foreign tables of the exposed schemas; partitions are reached through their parent.
-- $1: quoted schema names.
select
  c.oid,
  n.nspname,
  c.relname,
  c.relkind in ('v', 'm') as is_view,
  c.relkind in ('r', 'p') as is_table
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_namespace n on n.oid = exposed.oid
join pg_class c on c.relnamespace = n.oid
where c.relkind in ('r', 'v', 'm', 'f', 'p')
  and not c.relispartition
  and not pg_is_other_temp_schema(n.oid)
