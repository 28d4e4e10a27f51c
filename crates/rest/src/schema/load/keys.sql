-- Primary, unique and foreign keys of the whole database: views of exposed schemas may show columns of any table.
select
  k.contype::text,
  k.conname,
  k.conparentid = 0 as is_original,
  k.conrelid,
  n.nspname,
  c.relname,
  k.conkey,
  k.confrelid,
  fn.nspname as foreign_schema,
  fc.relname as foreign_relation,
  k.confkey
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_class fc on fc.oid = k.confrelid
left join pg_namespace fn on fn.oid = fc.relnamespace
where k.contype in ('p', 'u', 'f')
  and k.connamespace <> 'pg_catalog'::regnamespace
