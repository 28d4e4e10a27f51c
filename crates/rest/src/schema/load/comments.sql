-- Comments on relations (column 0) and on their columns.
-- $1: quoted schema names.
select d.objoid, d.objsubid, d.description
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_class c on c.relnamespace = exposed.oid
join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass
