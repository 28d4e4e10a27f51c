-- Those of the wanted schemas that there are and that the role may look into.
-- $1: schemas.
select nspname::text
from pg_catalog.pg_namespace
where nspname = any ($1)
  and (pg_catalog.pg_has_role(nspowner, 'usage') or pg_catalog.has_schema_privilege(oid, 'create, usage'))
