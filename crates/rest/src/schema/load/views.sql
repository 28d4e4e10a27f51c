-- The parsed definition of every view in the exposed and the extra schemas.
-- $1: quoted names of the exposed schemas, $2: of the extra search path.
select
  c.oid,
  n.nspname,
  c.relname,
  exposed.is_exposed,
  array(
    select a.attname
    from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0
    order by a.attnum
  ) as columns,
  r.ev_action::text
from (
  select every.oid, bool_or(every.is_exposed)
  from (
    select unnest($1::text[]::regnamespace[]), true
    union all
    select unnest($2::text[]::regnamespace[]), false
  ) as every (oid, is_exposed)
  group by every.oid
) as exposed (oid, is_exposed)
join pg_namespace n on n.oid = exposed.oid
join pg_class c on c.relnamespace = n.oid
join pg_rewrite r on r.ev_class = c.oid and r.ev_type = '1'
where c.relkind in ('v', 'm')
