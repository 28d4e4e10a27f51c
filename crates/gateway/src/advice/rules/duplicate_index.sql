-- Equal indexes of one table.
-- $1: schemas of the platform, which are left out.
select n.nspname::text, c.relname::text, 'table',
  format('Table `%s.%s` has equal indexes: %s', n.nspname, c.relname, string_agg(x.relname, ', ' order by x.relname))
from pg_catalog.pg_index i
join pg_catalog.pg_class x on x.oid = i.indexrelid
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm')
  and n.nspname <> all ($1)
group by n.nspname, c.relname, c.oid, replace(pg_get_indexdef(x.oid), quote_ident(x.relname), '')
having count(*) > 1
order by 1, 2
