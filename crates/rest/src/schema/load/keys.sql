-- Primary, unique and foreign keys of the whole database: views of exposed schemas may show columns of any table.
select
  contype::text,
  conname,
  conparentid = 0 as is_original,
  conrelid,
  conkey,
  confrelid,
  confkey
from pg_constraint
where contype in ('p', 'u', 'f')
  and connamespace <> 'pg_catalog'::regnamespace
