//! What pg_dump wrote, made fit for this server: statement by statement, so that nothing inside a function's body or a
//! default is mistaken for a statement.
//!
//! Left out is what only psql understands, what a newer server sets for itself, what is here already, and triggers whose
//! function is a part of the platform that this one does without.

use super::source::Hook;
use crate::project::split::statements;

/// Since when there is a privilege to maintain tables.
const KNOWS_MAINTAIN: i32 = 17;

/// The statements of `text` that a server of major version `version` is to run; `missing` are triggers to be left out.
pub(super) fn cleaned(text: &str, version: i32, missing: &[&Hook]) -> Vec<String> {
    let statements = statements(text).into_iter().map(bare).filter(|statement| !statement.is_empty());
    statements.filter(|statement| !is_about(statement, missing)).filter_map(|one| fit(one, version)).collect()
}

/// Without the comments and the commands of psql before it.
fn bare(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    while ["--", "\\restrict", "\\unrestrict"].iter().any(|mark| rest.starts_with(mark)) {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

fn fit(statement: &str, version: i32) -> Option<String> {
    if statement.starts_with("SET transaction_timeout")
        || statement.starts_with("SET default_toast_compression")
    {
        return None;
    }
    if let Some(name) = statement.strip_prefix("CREATE SCHEMA ") {
        return Some(format!("CREATE SCHEMA IF NOT EXISTS {name}"));
    }
    let speaks_of_rights =
        ["GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES "].iter().any(|mark| statement.starts_with(mark));
    if speaks_of_rights && version < KNOWS_MAINTAIN {
        return without_maintain(statement);
    }
    Some(statement.to_owned())
}

/// `GRANT SELECT,MAINTAIN,UPDATE ON TABLE …`, for a server that knows no `MAINTAIN`. None if nothing else is granted.
fn without_maintain(statement: &str) -> Option<String> {
    // Privileges come before the first ` ON `, those of defaults before ` ON TABLES`; names of roles and schemas before
    // it have no commas.
    let (rights, on) = statement.split_once(" ON ")?;
    let start = ["REVOKE GRANT OPTION FOR ", "REVOKE ", "GRANT "]
        .iter()
        .find_map(|verb| rights.rfind(verb).map(|at| at + verb.len()))
        .unwrap_or_default();
    let (verb, list) = rights.split_at_checked(start)?;
    let kept: Vec<_> = list.split(',').filter(|right| right.trim() != "MAINTAIN").collect();
    (!kept.is_empty()).then(|| format!("{verb}{} ON {on}", kept.join(",")))
}

/// Whether it makes, describes or switches one of these triggers.
fn is_about(statement: &str, hooks: &[&Hook]) -> bool {
    // pg_dump quotes what needs it.
    let plain = || statement.replace('"', "");
    let is_of_triggers =
        ["CREATE TRIGGER ", "CREATE CONSTRAINT TRIGGER ", "COMMENT ON TRIGGER ", "ALTER TABLE "]
            .iter()
            .any(|mark| statement.starts_with(mark));
    is_of_triggers
        && hooks.iter().any(|Hook { name, schema, table, .. }| {
            let (plain, (name, table)) =
                (plain(), (name.replace('"', ""), format!("{schema}.{table}").replace('"', "")));
            let switches = ["DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA"]
                .iter()
                .any(|what| plain.ends_with(&format!("{table} {what} TRIGGER {name}")));
            let (made, constraint) =
                (format!("CREATE TRIGGER {name} "), format!("CREATE CONSTRAINT TRIGGER {name} "));
            let makes = plain.starts_with(&made) || plain.starts_with(&constraint);
            makes && plain.contains(&format!(" ON {table} "))
                || switches
                || plain.starts_with(&format!("COMMENT ON TRIGGER {name} ON {table} "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, version: i32, missing: &[&Hook], expected: &[&str]) {
        assert_eq!(cleaned(text, version, missing), expected, "{text}");
    }

    #[test]
    fn a_dump_for_our_own_server() {
        let text = "--\n-- PostgreSQL database dump; 17\n--\n\n\\restrict abc\n\n-- Dumped\nSET transaction_timeout = 0;\n\
                    CREATE SCHEMA shop;\nselect 'CREATE SCHEMA x;';\n\n\\unrestrict abc\n-- done\n";
        check(text, 15, &[], &["CREATE SCHEMA IF NOT EXISTS shop", "select 'CREATE SCHEMA x;'"]);
        let body = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nbegin\nCREATE SCHEMA x;\nSET transaction_timeout = 0;\nend $$";
        check(&format!("{body};"), 15, &[], &[body]);
    }

    #[test]
    fn rights_that_are_not_known_here() {
        let defaults =
            "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA public GRANT SELECT,MAINTAIN ON TABLES TO anon";
        check(
            &format!(
                "GRANT SELECT,MAINTAIN,UPDATE ON TABLE t TO anon;GRANT MAINTAIN ON TABLE t TO anon;GRANT ALL ON TABLE t TO b;{defaults};REVOKE MAINTAIN ON TABLE t FROM c;"
            ),
            15,
            &[],
            &[
                "GRANT SELECT,UPDATE ON TABLE t TO anon",
                "GRANT ALL ON TABLE t TO b",
                "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA public GRANT SELECT ON TABLES TO anon",
            ],
        );
        check("GRANT MAINTAIN ON TABLE t TO anon;", 17, &[], &["GRANT MAINTAIN ON TABLE t TO anon"]);
        check(
            "GRANT SELECT(a,b),MAINTAIN ON TABLE t TO anon;",
            15,
            &[],
            &["GRANT SELECT(a,b) ON TABLE t TO anon"],
        );
    }

    #[test]
    fn triggers_of_the_platform_stay_there() {
        let hook = |name: &str| Hook {
            name: name.to_owned(),
            schema: "public".to_owned(),
            table: "Orders".to_owned(),
            function: ("supabase_functions".to_owned(), "http_request".to_owned()),
        };
        let text = "CREATE TRIGGER \"My hook\" AFTER INSERT ON public.\"Orders\" FOR EACH ROW EXECUTE FUNCTION supabase_functions.http_request('https://a;b');\
                    ALTER TABLE public.\"Orders\" DISABLE TRIGGER \"My hook\";\
                    COMMENT ON TRIGGER \"My hook\" ON public.\"Orders\" IS 'x';\
                    CREATE TRIGGER mine AFTER INSERT ON public.\"Orders\" FOR EACH ROW EXECUTE FUNCTION public.mine();";
        let kept = "CREATE TRIGGER mine AFTER INSERT ON public.\"Orders\" FOR EACH ROW EXECUTE FUNCTION public.mine()";
        check(text, 15, &[&hook("My hook")], &[kept]);
    }
}
