-- Default expressions, each with the columns that have it; that of an identity column is the next value of its sequence.
-- Equal ones are printed once, and without their relation: printing is what costs, opening relations costs more. Only
-- expressions of generated columns need it, as they alone name columns.
select
  pg_get_expr((select d.adbin from pg_attrdef d where d.oid = form.example), 0),
  form.relations,
  form.columns
from (
  select min(d.oid), array_agg(d.adrelid), array_agg(d.adnum)
  from pg_attrdef d
  where strpos(d.adbin::text, '{VAR ') = 0
  group by d.adbin::text
) as form (example, relations, columns)
union all
select format('nextval(%L)', s.seqrelid::regclass), array[dep.refobjid], array[dep.refobjsubid::int2]
from pg_sequence s
join pg_depend dep on dep.objid = s.seqrelid and dep.classid = 'pg_class'::regclass
where dep.refclassid = 'pg_class'::regclass
  and dep.deptype = 'i'
