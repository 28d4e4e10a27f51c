-- Names of the columns of relations outside the exposed schemas that have keys.
-- $1: relations.
select attrelid, attnum, attname
from pg_attribute
where attrelid = any ($1::oid[])
  and attnum > 0
