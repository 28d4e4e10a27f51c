-- Columns of the relations of the exposed schemas as the catalogue holds them, one array element per column:
-- the texts that cost time (types, defaults, comments) are asked for once and apart.
-- $1: quoted schema names.
select
  a.attrelid,
  array_agg(a.attnum),
  array_agg(a.attname),
  array_agg(a.atttypid),
  array_agg(a.atttypmod),
  array_agg(a.attnotnull),
  array_agg(a.atthasdef and a.attgenerated = '' or a.attidentity = 'd') as has_default
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_class c on c.relnamespace = exposed.oid
join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'v', 'm', 'f', 'p')
  and not c.relispartition
  and a.attnum > 0
  and not a.attisdropped
group by a.attrelid
