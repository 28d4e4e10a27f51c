-- Aggregates and functions of the exposed schemas whose result is a domain named after a media type.
-- $1: quoted schema names.
with
media_type as (
  select
    oid,
    typname,
    typnamespace,
    lower(typname) as accepted,
    case typname when '*/*' then 'application/octet-stream' else typname end as produced
  from pg_type
  where typtype = 'd'
    and (typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' or typname = '*/*')
),
candidate as (
  select p.*, n.nspname
  from unnest($1::text[]::regnamespace[]) as exposed (oid)
  join pg_namespace n on n.oid = exposed.oid
  join pg_proc p on p.pronamespace = n.oid
)
-- an aggregate over the rows of a relation, or of any
select
  p.nspname,
  p.proname,
  case when arg.oid <> 'anyelement'::regtype then argn.nspname end,
  case when arg.oid <> 'anyelement'::regtype then arg.typname end,
  m.accepted,
  m.produced
from candidate p
join media_type m on m.oid = p.prorettype
join pg_type arg on arg.oid = p.proargtypes[0]
join pg_namespace argn on argn.oid = arg.typnamespace
left join pg_class c on c.reltype = arg.oid and c.relkind in ('r', 'v', 'm', 'f', 'p')
where p.prokind = 'a'
  and p.pronargs = 1
  and (c.oid is not null or arg.oid = 'anyelement'::regtype)
union
-- a function is a handler of its own result
select mn.nspname, m.typname, p.nspname, p.proname, m.accepted, m.produced
from candidate p
join media_type m on m.oid = p.prorettype
join pg_namespace mn on mn.oid = m.typnamespace
where p.prokind = 'f'
  and not p.proretset
