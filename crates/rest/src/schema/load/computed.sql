-- Functions from a row of one relation to rows of another.
select
  n.nspname,
  p.proname,
  argn.nspname,
  arg.typname,
  retn.nspname,
  ret.typname,
  not p.proretset or p.prorows = 1
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_type arg on arg.oid = p.proargtypes[0]
join pg_class argc on argc.reltype = arg.oid and argc.relkind in ('r', 'v', 'm', 'f', 'p')
join pg_namespace argn on argn.oid = arg.typnamespace
join pg_type ret on ret.oid = p.prorettype
join pg_class retc on retc.reltype = ret.oid and retc.relkind in ('r', 'v', 'm', 'f', 'p')
join pg_namespace retn on retn.oid = ret.typnamespace
where p.pronargs = 1
  and arg.typtype = 'c'
  and ret.typtype = 'c'
