-- Implicit casts between a domain and json or text that the connecting role may use.
select
  format_type(k.castsource, null),
  format_type(k.casttarget, null),
  n.nspname,
  p.proname
from pg_cast k
join pg_type source on source.oid = k.castsource
join pg_type target on target.oid = k.casttarget
join pg_proc p on p.oid = k.castfunc
join pg_namespace n on n.oid = p.pronamespace
where k.castcontext = 'i'
  and k.castmethod = 'f'
  and has_function_privilege(k.castfunc, 'execute')
  and (
    source.typtype = 'd' and k.casttarget in ('json'::regtype, 'text'::regtype)
    or target.typtype = 'd' and k.castsource in ('json'::regtype, 'text'::regtype)
  )
