//! How to take away what an entry made.

use db::ident;

use super::dump::Entry;

/// Before anything is made: what hangs from other things, and may have to make room.
const EARLY: &[&str] = &[
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "DEFAULT ACL",
    "FK CONSTRAINT",
    "INDEX",
    "MATERIALIZED VIEW",
    "POLICY",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "SEQUENCE OWNED BY",
    "STATISTICS",
    "TABLE ATTACH",
    "TRIGGER",
    "VIEW",
];

/// Whether it goes before other things are made and altered; else it goes after.
pub(super) fn is_early(entry: &Entry) -> bool {
    EARLY.contains(&entry.kind.as_str()) || is_identity(entry)
}

/// A column's own numbers, which pg_dump calls a sequence, too.
pub(super) fn is_identity(entry: &Entry) -> bool {
    entry.kind == "SEQUENCE" && entry.sql.starts_with("ALTER TABLE")
}

/// The statement; none for kinds that nobody wrote down here.
pub(super) fn undo(entry: &Entry) -> Option<String> {
    let sql = entry.sql.as_str();
    let named = || format!("{}.{}", ident(&entry.schema), ident(&entry.name));
    let on_table = |what: &str, name: &str| Some(format!("DROP {what} {name} ON {};", table(sql)?));
    let constraint = || {
        let name = first_identifier(after(sql, "ADD CONSTRAINT ")?);
        Some(format!("ALTER TABLE {} DROP CONSTRAINT {name};", table(sql)?))
    };
    match entry.kind.as_str() {
        "ACL" | "DEFAULT ACL" => inverse(sql),
        "COMMENT" => Some(format!("{} IS NULL;", before(sql, " IS '")?)),
        "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" => constraint(),
        "DEFAULT" => Some(format!("{} DROP DEFAULT;", before(sql, " SET DEFAULT ")?)),
        "POLICY" => on_table("POLICY", first_identifier(after(sql, "CREATE POLICY ")?)),
        "TRIGGER" => on_table("TRIGGER", first_identifier(after(sql, "TRIGGER ")?)),
        "RULE" => on_table("RULE", first_identifier(after(sql, "CREATE RULE ")?)),
        "ROW SECURITY" => Some(sql.replace(" ENABLE ROW LEVEL SECURITY", " DISABLE ROW LEVEL SECURITY")),
        "SEQUENCE OWNED BY" => Some(format!("{} OWNED BY NONE;", before(sql, " OWNED BY ")?)),
        "SEQUENCE" if is_identity(entry) => {
            Some(format!("{} DROP IDENTITY IF EXISTS;", before(sql, " ADD GENERATED ")?))
        }
        // It goes with a column that it belongs to.
        "SEQUENCE" => Some(format!("DROP SEQUENCE IF EXISTS {};", named())),
        "TABLE ATTACH" => {
            let parent = first_name(after(sql, "ALTER TABLE ONLY ")?);
            let part = first_name(after(sql, " ATTACH PARTITION ")?);
            Some(format!("ALTER TABLE {parent} DETACH PARTITION {part};"))
        }
        "PUBLICATION TABLE" => {
            let publication = first_identifier(after(sql, "ALTER PUBLICATION ")?);
            let table = first_name(after(sql, " ADD TABLE ONLY ")?);
            Some(format!("ALTER PUBLICATION {publication} DROP TABLE {table};"))
        }
        "PUBLICATION TABLES IN SCHEMA" => Some(sql.replacen(" ADD TABLES ", " DROP TABLES ", 1)),
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
            let (name, arguments) = entry.name.split_once('(')?;
            Some(format!("DROP {} {}.{}({arguments};", entry.kind, ident(&entry.schema), ident(name)))
        }
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "INDEX" | "STATISTICS" | "TYPE" | "DOMAIN"
        | "FOREIGN TABLE" => Some(format!("DROP {} {};", entry.kind, named())),
        "COLLATION" | "TEXT SEARCH CONFIGURATION" | "TEXT SEARCH DICTIONARY" => {
            Some(format!("DROP {} {};", entry.kind, named()))
        }
        "OPERATOR" => {
            let operand = |side: &str| after(sql, side)?.split([',', '\n']).next();
            let operands = ["    LEFTARG = ", "    RIGHTARG = "].map(|side| operand(side).unwrap_or("NONE"));
            Some(format!("DROP OPERATOR {}.{} ({});", ident(&entry.schema), entry.name, operands.join(", ")))
        }
        "SCHEMA" | "EXTENSION" | "PUBLICATION" | "SERVER" | "FOREIGN DATA WRAPPER" => {
            Some(format!("DROP {} {};", entry.kind, ident(&entry.name)))
        }
        _ => None,
    }
}

/// The table that a statement is about, as it is written there.
pub(super) fn table(sql: &str) -> Option<&str> {
    let rest = if let Some(rest) = sql.strip_prefix("ALTER TABLE ") {
        rest
    } else if sql.starts_with("CREATE RULE ") {
        after(after(sql, "\n    ON ")?, " TO ")?
    } else if let Some((_, owner)) = sql.split_once(" OWNED BY ") {
        // Without the column at its end.
        let full = first_name(owner);
        let column = full.rfind('.')?;
        return full.get(..column);
    } else {
        // The name of the object, which may hold anything, comes first.
        let rest = after(sql, "CREATE ")?;
        let rest = ["POLICY ", "TRIGGER ", "INDEX "].iter().find_map(|word| after(rest, word))?;
        after(rest.get(first_identifier(rest).len()..)?, " ON ")?
    };
    Some(first_name(rest.strip_prefix("ONLY ").unwrap_or(rest)))
}

/// An index by the name that others call it by: one that was made, or that of a key.
pub(super) fn index(entry: &Entry) -> Option<String> {
    let name = match entry.kind.as_str() {
        "INDEX" => after(&entry.sql, " INDEX ")?,
        "CONSTRAINT" => after(&entry.sql, " ADD CONSTRAINT ")?,
        _ => return None,
    };
    Some(format!("{}.{}", first_identifier(table(&entry.sql)?), first_identifier(name)))
}

/// An index of a partitioned table, and the part that is bound to it.
pub(super) fn bond(sql: &str) -> Option<(&str, &str)> {
    Some((first_name(after(sql, "ALTER INDEX ")?), first_name(after(sql, " ATTACH PARTITION ")?)))
}

/// Takes a right back, or gives it back.
fn inverse(sql: &str) -> Option<String> {
    let sql = sql.strip_suffix(';')?;
    let sql = sql.strip_suffix(" WITH GRANT OPTION").unwrap_or(sql);
    let swapped = |from: (&str, &str), to: (&str, &str)| {
        let sql = sql.replacen(from.0, to.0, 1);
        let (start, end) = sql.rsplit_once(from.1)?;
        Some(format!("{start}{}{end};", to.1))
    };
    let (grant, revoke) = (("GRANT ", " TO "), ("REVOKE ", " FROM "));
    let verb = sql.find(grant.0).into_iter().chain(sql.find(revoke.0)).min()?;
    if sql.get(verb..)?.starts_with(grant.0) { swapped(grant, revoke) } else { swapped(revoke, grant) }
}

fn after<'a>(sql: &'a str, mark: &str) -> Option<&'a str> {
    sql.split_once(mark).map(|(_, rest)| rest)
}

fn before<'a>(sql: &'a str, mark: &str) -> Option<&'a str> {
    sql.split_once(mark).map(|(start, _)| start)
}

/// The name at the start, with its quotes.
pub(super) fn first_identifier(text: &str) -> &str {
    let end = if text.starts_with('"') {
        let mut quotes = text.match_indices('"').map(|(at, _)| at).skip(1).peekable();
        loop {
            match quotes.next() {
                // Two of them are one that is part of the name.
                Some(at) if quotes.peek() == Some(&(at + 1)) => {
                    quotes.next();
                }
                Some(at) => break at + 1,
                None => break text.len(),
            }
        }
    } else {
        text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len())
    };
    text.get(..end).unwrap_or(text)
}

/// The name at the start with what qualifies it.
pub(super) fn first_name(text: &str) -> &str {
    let mut end = first_identifier(text).len();
    while let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix('.')) {
        end += 1 + first_identifier(rest).len();
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, name: &str, sql: &str, expected: &str) {
        let entry = Entry {
            kind: kind.to_owned(),
            schema: "public".to_owned(),
            name: name.to_owned(),
            object: name.to_owned(),
            sql: sql.to_owned(),
        };
        assert_eq!(undo(&entry).as_deref(), Some(expected), "{sql}");
    }

    #[test]
    fn everything_that_is_made_is_taken_away() {
        check("TABLE", "To do", "CREATE TABLE public.\"To do\" (\n);", "DROP TABLE \"public\".\"To do\";");
        check("FUNCTION", "f(integer, text)", "", "DROP FUNCTION \"public\".\"f\"(integer, text);");
        check(
            "FK CONSTRAINT",
            "a a_b",
            "ALTER TABLE ONLY public.a\n    ADD CONSTRAINT \"a b\" FOREIGN KEY (b) REFERENCES public.b(id);",
            "ALTER TABLE public.a DROP CONSTRAINT \"a b\";",
        );
        check(
            "POLICY",
            "a p",
            "CREATE POLICY \"all ON it\" ON public.a USING (true);",
            "DROP POLICY \"all ON it\" ON public.a;",
        );
        check(
            "TRIGGER",
            "a t",
            "CREATE CONSTRAINT TRIGGER t AFTER UPDATE OF b ON public.\"A\"\"b\" FOR EACH ROW EXECUTE FUNCTION public.f();",
            "DROP TRIGGER t ON public.\"A\"\"b\";",
        );
        check(
            "RULE",
            "a r",
            "CREATE RULE r AS\n    ON INSERT TO public.a DO INSTEAD NOTHING;",
            "DROP RULE r ON public.a;",
        );
        check(
            "SEQUENCE",
            "a_id_seq",
            "ALTER TABLE public.a ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n    SEQUENCE NAME public.a_id_seq\n);",
            "ALTER TABLE public.a ALTER COLUMN id DROP IDENTITY IF EXISTS;",
        );
        check(
            "PUBLICATION TABLE",
            "p a",
            "ALTER PUBLICATION p ADD TABLE ONLY public.a (id) WHERE ((id > 1));",
            "ALTER PUBLICATION p DROP TABLE public.a;",
        );
        check(
            "COMMENT",
            "TABLE a",
            "COMMENT ON TABLE public.a IS 'it IS ''so''';",
            "COMMENT ON TABLE public.a IS NULL;",
        );
    }

    #[test]
    fn rights_are_taken_and_given_back() {
        let check = |sql: &str, expected: &str| assert_eq!(inverse(sql).as_deref(), Some(expected));
        check("GRANT ALL ON TABLE public.a TO anon;", "REVOKE ALL ON TABLE public.a FROM anon;");
        check(
            "REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;",
            "GRANT ALL ON FUNCTION public.f() TO PUBLIC;",
        );
        check(
            "GRANT SELECT ON TABLE public.a TO b WITH GRANT OPTION;",
            "REVOKE SELECT ON TABLE public.a FROM b;",
        );
        check(
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA s GRANT ALL ON TABLES  TO anon;",
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA s REVOKE ALL ON TABLES  FROM anon;",
        );
    }

    #[test]
    fn tables_of_statements() {
        let check = |sql: &str, expected: Option<&str>| assert_eq!(table(sql), expected, "{sql}");
        check("CREATE INDEX i ON ONLY public.a USING btree (b);", Some("public.a"));
        check("CREATE UNIQUE INDEX \"i ON x\" ON public.a USING btree (b);", Some("public.a"));
        check("ALTER SEQUENCE public.s OWNED BY public.\"A\".id;", Some("public.\"A\""));
        check("ALTER TABLE public.a ENABLE ROW LEVEL SECURITY;", Some("public.a"));
        check("CREATE FUNCTION public.f() RETURNS integer", None);
    }
}
