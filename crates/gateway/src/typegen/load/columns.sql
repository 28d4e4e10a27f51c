-- Columns of relations that the role may use. Of a domain the type is told that it is made of.
-- $1: schemas.
select pg_catalog.jsonb_build_object(
  'relation', c.oid::int8,
  'position', a.attnum,
  'name', a.attname,
  'kind', pg_catalog.jsonb_build_object('name', coalesce(base.typname, t.typname), 'schema', coalesce(bn.nspname, tn.nspname)),
  'is_nullable', not (a.attnotnull or t.typtype = 'd' and t.typnotnull),
  'is_identity', a.attidentity <> '',
  'is_readonly', a.attidentity = 'a' or a.attgenerated <> '',
  'is_generated', a.attgenerated <> '',
  'has_default', a.atthasdef,
  -- A trigger or rule that stands in for a write takes whole rows; 64 is instead of, 4 and 16 are insert and update.
  'is_updatable', c.relkind in ('r', 'p') or c.relkind in ('v', 'f') and (
    pg_catalog.pg_column_is_updatable(c.oid, a.attnum, false)
    or exists (
      select from pg_catalog.pg_trigger g
      where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 64 <> 0 and g.tgtype & 20 <> 0
    )
    or exists (
      select from pg_catalog.pg_rewrite w
      where w.ev_class = c.oid and w.is_instead and w.ev_type in ('2', '3') and w.ev_qual::text = '<>'
    )
  ),
  'comment', pg_catalog.col_description(c.oid, a.attnum)
)
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_type t on t.oid = a.atttypid
join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
left join pg_catalog.pg_type base on t.typtype = 'd' and base.oid = t.typbasetype
left join pg_catalog.pg_namespace bn on bn.oid = base.typnamespace
where n.nspname = any ($1)
  and not pg_catalog.pg_is_other_temp_schema(n.oid)
  and c.relkind in ('r', 'v', 'm', 'f', 'p')
  and a.attnum > 0
  and not a.attisdropped
  and (
    pg_catalog.pg_has_role(c.relowner, 'usage')
    or pg_catalog.has_column_privilege(c.oid, a.attnum, 'select, insert, update, references')
  )
