-- Functions that are no triggers.
-- $1: schemas.
select pg_catalog.jsonb_build_object(
  'id', p.oid::int8,
  'schema', n.nspname,
  'name', p.proname,
  'arguments', coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'mode', coalesce(p.proargmodes[given.place], 'i'),
      'name', coalesce(p.proargnames[given.place], ''),
      'kind', given.kind::int8,
      -- Defaults are those of the last arguments that go in.
      'has_default', given.place > p.pronargs - p.pronargdefaults and given.place <= p.pronargs
    ) order by given.place)
    from pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as given (kind, place)
  ), '[]'),
  'signature', pg_catalog.pg_get_function_arguments(p.oid),
  'returns', p.prorettype::int8,
  'returns_text', pg_catalog.pg_get_function_result(p.oid),
  'returns_relation', nullif(r.typrelid::int8, 0),
  'is_set', p.proretset,
  'rows', case when p.proretset then nullif(p.prorows, 0) end
)
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type r on r.oid = p.prorettype
where n.nspname = any ($1)
  and p.prokind = 'f'
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
