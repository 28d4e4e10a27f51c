-- Default expressions of columns; that of an identity column is the next value of its sequence.
-- $1: quoted schema names.
select ad.adrelid, ad.adnum::int4, pg_get_expr(ad.adbin, ad.adrelid)
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_class c on c.relnamespace = exposed.oid
join pg_attribute a on a.attrelid = c.oid
join pg_attrdef ad on ad.adrelid = a.attrelid and ad.adnum = a.attnum
where c.relkind in ('r', 'v', 'f', 'p')
  and not c.relispartition
  and a.atthasdef
  and a.attgenerated = ''
union all
select a.attrelid, a.attnum::int4, format('nextval(%L)', dep.objid::regclass)
from unnest($1::text[]::regnamespace[]) as exposed (oid)
join pg_class c on c.relnamespace = exposed.oid
join pg_attribute a on a.attrelid = c.oid
join pg_depend dep on dep.refobjid = a.attrelid and dep.refobjsubid = a.attnum
where not c.relispartition
  and a.attidentity = 'd'
  and dep.refclassid = 'pg_class'::regclass
  and dep.classid = 'pg_class'::regclass
  and dep.deptype = 'i'
