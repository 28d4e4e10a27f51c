-- The functions to look at: `schema.name`, oid, language, the table whose trigger it is or 0, whether it is a trigger's.
-- $1: schemas; none for all but $2, those of the platform.
select n.nspname || '.' || p.proname, p.oid, l.lanname::text, coalesce(t.tgrelid, 0::oid), p.prorettype = 'trigger'::regtype
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
left join (select distinct tgfoid, tgrelid from pg_catalog.pg_trigger where not tgisinternal) t on t.tgfoid = p.oid
where l.lanname in ('plpgsql', 'sql')
  and p.prokind in ('f', 'p')
  and case when pg_catalog.cardinality($1::text[]) > 0 then n.nspname = any ($1) else n.nspname <> all ($2::text[]) end
  and n.nspname !~ '^pg_'
  and pg_catalog.has_schema_privilege(n.oid, 'usage')
  and pg_catalog.has_function_privilege(p.oid, 'execute')
  and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
order by n.nspname, p.proname, p.oid, t.tgrelid
