//! What a caller may see of a schema.

use super::fragment::{Sql, Statement};

const TABLES: &str = "\
(SELECT coalesce(json_agg(c.relname), '[]')::text FROM pg_class c, named \
WHERE c.relnamespace = named.oid AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition \
AND (pg_has_role(c.relowner, 'USAGE') \
OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')))";

const ROUTINES: &str = "\
(SELECT coalesce(json_agg(json_build_array(p.proname, (\
SELECT coalesce(json_agg(coalesce(a.name, '') ORDER BY a.position), '[]') \
FROM unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes) \
WITH ORDINALITY a (name, type, mode, position) \
WHERE coalesce(a.mode, 'i') IN ('i', 'b', 'v') AND a.type IS NOT NULL))), '[]')::text \
FROM pg_proc p, named WHERE p.pronamespace = named.oid AND has_function_privilege(p.oid, 'EXECUTE'))";

/// The schema's comment; with `privileges` also the names of the relations that the role has any
/// right on, and (name, names of parameters) of the functions it may call, both as JSON.
pub(crate) fn visible(schema: &str, privileges: bool) -> Statement {
    let mut sql = Sql::default();
    sql.push("WITH named AS (SELECT ").value(db::ident(schema)).push("::text::regnamespace::oid AS oid) ");
    sql.push("SELECT obj_description(named.oid, 'pg_namespace'), ");
    if privileges {
        sql.push(TABLES).push(", ").push(ROUTINES);
    } else {
        sql.push("null::text, null::text");
    }
    sql.push(" FROM named");
    sql.finish()
}
