-- What the current role can see of a schema, as one JSON text: its comment, relations, and functions with their parameters.
-- $1: the schema, $2: whether privileges count.
select json_build_object(
  'description', obj_description(n.oid, 'pg_namespace'),
  'relations', (
    select coalesce(json_agg(c.relname order by c.relname), '[]')
    from pg_class c
    where c.relnamespace = n.oid
      and c.relkind in ('r', 'v', 'm', 'f', 'p')
      and not c.relispartition
      and (
        not $2::bool
        or pg_has_role(c.relowner, 'usage')
        or has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
        or has_any_column_privilege(c.oid, 'select, insert, update, references')
      )
  ),
  'routines', (
    select coalesce(json_agg(json_build_object('name', p.proname, 'params', params.names) order by p.proname), '[]')
    from pg_proc p
    cross join lateral (
      select coalesce(json_agg(coalesce(arg.name, '') order by arg.position), '[]') as names
      from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
        with ordinality as arg (name, type, mode, position)
      where coalesce(arg.mode, 'i') in ('i', 'b', 'v') and arg.type is not null
    ) as params
    where p.pronamespace = n.oid
      and p.prokind = 'f'
      and (not $2::bool or has_function_privilege(p.oid, 'execute'))
  )
)::text
from pg_namespace n
where n.nspname = $1
