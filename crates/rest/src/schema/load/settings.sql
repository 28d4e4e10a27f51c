-- Settings of the data API that are kept in the database: those of the login role, and what a pre-config function has set.
-- $1: their names, $2: whether such a function ran.
select distinct on (setting.name)
  substr(setting.name, length('pgrst.') + 1),
  setting.value
from (
  select
    s.setdatabase,
    substr(entry.text, 1, strpos(entry.text, '=') - 1),
    substr(entry.text, strpos(entry.text, '=') + 1)
  from pg_db_role_setting s
  cross join unnest(s.setconfig) as entry (text)
  where s.setrole = (select oid from pg_roles where rolname = current_user)
    and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  union all
  select null, wanted.name, current_setting(wanted.name, true)
  from unnest($1::text[]) as wanted (name)
  where $2::bool
) as setting (database, name, value)
where setting.name = any ($1::text[])
  and setting.value is not null
-- those for this database first, then those for all, then the function's
order by setting.name, setting.database desc nulls last
