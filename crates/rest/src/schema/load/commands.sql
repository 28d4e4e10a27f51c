-- What views and foreign tables accept, by nature or by trigger. Bits by command: 2 = update, 3 = insert, 4 = delete.
-- $1: quoted schema names.
select c.oid, pg_relation_is_updatable(c.oid, true)
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_class c on c.relnamespace = exposed.oid
where c.relkind in ('v', 'f')
  and not c.relispartition
