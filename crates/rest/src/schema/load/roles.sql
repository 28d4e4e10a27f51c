-- What roles have set for themselves, as far as the login role can become them and may set it.
select
  r.rolname,
  pair.name,
  pair.value
from pg_auth_members m
join pg_roles r on r.oid = m.roleid
cross join unnest(r.rolconfig) as entry (text)
cross join lateral (
  select
    substr(entry.text, 1, strpos(entry.text, '=') - 1),
    substr(entry.text, strpos(entry.text, '=') + 1)
) as pair (name, value)
join pg_settings known on known.name = pair.name
where m.member = (select oid from pg_roles where rolname = current_user)
  and (known.context = 'user' or has_parameter_privilege(known.name, 'set'))
order by r.rolname, pair.name
