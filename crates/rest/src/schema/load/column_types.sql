-- What the types of columns are called, once per type and modifier.
-- $1: types, $2: their modifiers.
with recursive
domain_step (oid, base) as (
  select oid, typbasetype from pg_type where typtype = 'd'
  union all
  select s.oid, t.typbasetype from domain_step s join pg_type t on t.oid = s.base where t.typtype = 'd'
),
-- every domain with the type at the end of its chain
domain as (
  select s.oid, s.base, t.typnamespace
  from domain_step s
  join pg_type t on t.oid = s.base
  where t.typtype <> 'd'
)
select
  used.oid,
  used.modifier,
  case
    when domain.typnamespace = 'pg_catalog'::regnamespace then format_type(domain.base, null)
    when domain.oid is null and t.typnamespace = 'pg_catalog'::regnamespace then format_type(used.oid, null)
    else format_type(used.oid, used.modifier)
  end as data_type,
  format_type(used.oid, used.modifier) as nominal_type,
  case
    when true_type.modifier = -1 then null
    when true_type.oid in ('varchar'::regtype, 'bpchar'::regtype) then true_type.modifier - 4
    when true_type.oid in ('bit'::regtype, 'varbit'::regtype) then true_type.modifier
  end as max_length,
  t.typtype = 'd' and t.typnotnull as is_not_null,
  pg_get_expr(t.typdefaultbin, 0) as default_expression,
  array(
    select e.enumlabel
    from pg_enum e
    where e.enumtypid = coalesce(domain.base, used.oid)
    order by e.enumsortorder
  ) as enum_labels
from unnest($1::oid[], $2::int4[]) as used (oid, modifier)
join pg_type t on t.oid = used.oid
left join domain on domain.oid = t.oid
cross join lateral (
  select
    case when t.typtype = 'd' then t.typbasetype else used.oid end,
    case when t.typtype = 'd' then t.typtypmod else used.modifier end
) as true_type (oid, modifier)
