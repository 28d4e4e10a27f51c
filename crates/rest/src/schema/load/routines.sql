-- Functions of the exposed schemas that a request can call.
-- $1: quoted schema names, $2: settings to apply to the whole transaction.
with recursive
domain_step (oid, base) as (
  select oid, typbasetype from pg_type where typtype = 'd'
  union all
  select s.oid, t.typbasetype from domain_step s join pg_type t on t.oid = s.base where t.typtype = 'd'
)
select
  n.nspname,
  p.proname,
  d.description,
  coalesce(params.names, '{}'),
  coalesce(params.types, '{}'),
  coalesce(params.cast_types, '{}'),
  coalesce(params.required, '{}'),
  coalesce(params.variadic, '{}'),
  rn.nspname,
  coalesce(rc.relname, rt.typname),
  p.proretset,
  -- TABLE, OUT and INOUT parameters make a row
  rt.typtype = 'c' or coalesce(p.proargmodes && '{t,b,o}'::"char"[], false) as is_composite,
  p.provolatile::text,
  p.provariadic <> 0,
  settings.isolation,
  coalesce(settings.names, '{}'),
  coalesce(settings.contents, '{}')
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_namespace n on n.oid = exposed.oid
join pg_proc p on p.pronamespace = n.oid
left join domain_step s
  on s.oid = p.prorettype and not exists (select from pg_type t where t.oid = s.base and t.typtype = 'd')
join pg_type rt on rt.oid = coalesce(s.base, p.prorettype)
join pg_namespace rn on rn.oid = rt.typnamespace
left join pg_class rc on rc.oid = rt.typrelid
left join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass
cross join lateral (
  select
    array_agg(input.name order by input.position) as names,
    array_agg(format_type(input.type, null) order by input.position) as types,
    array_agg(
      case input.type
        when 'bit'::regtype then 'bit varying'
        when 'bit[]'::regtype then 'bit varying[]'
        when 'character'::regtype then 'character varying'
        when 'character[]'::regtype then 'character varying[]'
        else format_type(input.type, null)
      end order by input.position
    ) as cast_types,
    array_agg(input.position <= p.pronargs - p.pronargdefaults order by input.position) as required,
    array_agg(input.mode = 'v' order by input.position) as variadic,
    -- arguments come by name; only one alone can take the whole body without one
    count(*) filter (where input.name = '') = 0
      or count(*) = 1 and bool_and(input.type in (
        'bytea'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype
      )) as is_callable
  from (
    select
      coalesce(arg.name, '') as name,
      arg.type,
      coalesce(arg.mode, 'i') as mode,
      row_number() over (order by arg.position) as position
    from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
      with ordinality as arg (name, type, mode, position)
    where coalesce(arg.mode, 'i') in ('i', 'b', 'v') and arg.type is not null
  ) as input
) as params
cross join lateral (
  select
    max(split_part(pair.value, ',', 1)) filter (where pair.name = 'default_transaction_isolation') as isolation,
    array_agg(pair.name) filter (where pair.name = any ($2)) as names,
    array_agg(pair.value) filter (where pair.name = any ($2)) as contents
  from unnest(p.proconfig) as entry (setting)
  cross join lateral (
    select
      substr(entry.setting, 1, strpos(entry.setting, '=') - 1),
      substr(entry.setting, strpos(entry.setting, '=') + 1)
  ) as pair (name, value)
) as settings
where p.prokind = 'f'
  and rt.oid <> 'trigger'::regtype
  and params.is_callable
