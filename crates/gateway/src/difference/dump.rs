//! What pg_dump writes, as entries.

use std::path::Path;

use db::Target;

use super::spelling::settled;
use crate::advice::PLATFORM;
use crate::pg_dump;
use crate::project::split::statements;

/// An object, or something about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// In pg_dump's words: `TABLE`, `FK CONSTRAINT`, …
    pub(super) kind: String,
    pub(super) schema: String,
    /// In pg_dump's words, without quotes: `todos`, `f(integer)`, `todos todos_pkey`. Of rights, the statement itself.
    pub(super) name: String,
    /// What rights and remarks are about, without arguments; else `name`.
    pub(super) object: String,
    /// The statements that make it.
    pub(super) sql: String,
}

/// Where others put policies and triggers of their own.
const OPEN: &[&str] = &["auth", "realtime", "storage"];

impl Entry {
    /// What tells it from others.
    pub(super) fn key(&self) -> (&str, &str, &str) {
        (&self.kind, &self.schema, &self.name)
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{} {}.{}", self.kind.to_lowercase(), self.schema, self.name)
    }

    fn is_wanted(&self, schemas: &[String]) -> bool {
        let schema = match self.kind.as_str() {
            "SCHEMA" => self.name.as_str(),
            // Rights on a schema and remarks about one.
            _ if self.schema == "-" => self.object.as_str(),
            _ => self.schema.as_str(),
        };
        let is_platform = PLATFORM.contains(&schema);
        if self.kind == "COMMENT" && self.name.starts_with("EXTENSION ") {
            return false;
        }
        // Those of a superuser, and those that nobody but one can make.
        if self.kind == "EVENT TRIGGER" || self.sql.contains("FOR ROLE supabase_admin ") {
            return false;
        }
        if !schemas.is_empty() {
            return schemas.iter().any(|wanted| wanted == schema);
        }
        if OPEN.contains(&schema) {
            return matches!(self.kind.as_str(), "POLICY" | "TRIGGER");
        }
        !is_platform
    }
}

/// The entries of a database that are compared, in an order in which they can be made.
pub(super) async fn take(target: &Target, program: &Path, schemas: &[String]) -> anyhow::Result<Vec<Entry>> {
    const QUIETLY: [&str; 6] = [
        "--schema-only",
        "--no-owner",
        "--no-subscriptions",
        "--no-security-labels",
        "--no-tablespaces",
        "--no-table-access-method",
    ];
    let mut command = pg_dump::to(program, target)?;
    command.args(QUIETLY).arg("--exclude-table=realtime.messages_*");
    let text = settled(&pg_dump::written(command).await?);
    Ok(entries(&text).into_iter().filter(|entry| entry.is_wanted(schemas)).collect())
}

/// Reads the text of a dump.
fn entries(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().collect();
    let is_head = |at: usize| {
        let around = (lines.get(at.wrapping_sub(1)), lines.get(at + 1));
        (around == (Some(&"--"), Some(&"--"))).then(|| lines.get(at).and_then(|line| head(line))).flatten()
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some((name, kind, schema)) = is_head(at) else {
            at += 1;
            continue;
        };
        let start = at + 2;
        let end =
            (start..lines.len()).find(|next| is_head(*next).is_some() || lines.get(*next) == Some(&END));
        // The line of two dashes above belongs to what comes next.
        let end = end.map_or(lines.len(), |end| end - 1);
        let mut body = lines.get(start..end).unwrap_or_default();
        // What the next entry is made with.
        while let [before @ .., last] = body
            && (last.is_empty() || last.starts_with("SET default_"))
        {
            body = before;
        }
        push(&mut found, (name, kind, schema), body.join("\n").trim());
        at = end.max(at + 1);
    }
    found
}

const END: &str = "-- PostgreSQL database dump complete";

/// Name, kind and schema of an entry's heading.
fn head(line: &str) -> Option<(&str, &str, &str)> {
    let rest = line.strip_prefix("-- Name: ")?;
    let (rest, _owner) = rest.rsplit_once("; Owner: ")?;
    let (rest, schema) = rest.rsplit_once("; Schema: ")?;
    let (name, kind) = rest.rsplit_once("; Type: ")?;
    Some((name, kind, schema))
}

fn push(found: &mut Vec<Entry>, (name, kind, schema): (&str, &str, &str), sql: &str) {
    let is_remark = matches!(kind, "ACL" | "COMMENT");
    let object = if is_remark { name.split_once(' ').map_or(name, |(_, object)| object) } else { name };
    let object = object.split('(').next().unwrap_or(object);
    let object = match name.starts_with("COLUMN ") {
        true => object.split('.').next().unwrap_or(object),
        false => object,
    };
    let entry = |name: &str, sql: String| Entry {
        kind: kind.to_owned(),
        schema: schema.to_owned(),
        name: name.to_owned(),
        object: object.to_owned(),
        sql,
    };
    if !matches!(kind, "ACL" | "DEFAULT ACL") {
        found.push(entry(name, sql.to_owned()));
        return;
    }
    // Rights are compared one by one; whoever granted them is left out, as owners are.
    let of_rights =
        |sql: &&&str| ["GRANT ", "REVOKE ", "ALTER DEFAULT "].iter().any(|word| sql.starts_with(word));
    for sql in statements(sql).iter().filter(of_rights) {
        found.push(entry(sql, format!("{sql};")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
--
-- PostgreSQL database dump
--

\\restrict x

SET statement_timeout = 0;

--
-- Name: f(integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.f(a integer) RETURNS integer
    LANGUAGE sql
    AS $$select 1
\\ SET default_ 
-- Name: no; Type: HEAD; Schema: here; Owner: -
$$;


SET default_table_access_method = heap;

--
-- Name: todos; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.todos (
    a text
);

--
-- Name: FUNCTION f(a integer); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.f(a integer) FROM PUBLIC;
SET SESSION AUTHORIZATION other;
GRANT ALL ON FUNCTION public.f(a integer) TO anon;
RESET SESSION AUTHORIZATION;


--
-- PostgreSQL database dump complete
--
";

    #[test]
    fn a_dump_has_an_entry_per_object_and_right() {
        let found = entries(DUMP);
        let shown: Vec<_> = found.iter().map(|entry| (entry.kind.as_str(), entry.object.as_str())).collect();
        assert_eq!(shown, [("FUNCTION", "f"), ("TABLE", "todos"), ("ACL", "f"), ("ACL", "f")]);
        assert!(
            found[0].sql.starts_with("CREATE FUNCTION") && found[0].sql.ends_with("$$;"),
            "{}",
            found[0].sql
        );
        assert_eq!(found[1].sql, "CREATE TABLE public.todos (\n    a text\n);");
        assert_eq!(found[3].sql, "GRANT ALL ON FUNCTION public.f(a integer) TO anon;");
    }

    #[test]
    fn what_is_the_platforms_is_left_out() {
        let entry = |kind: &str, schema: &str, object: &str| Entry {
            kind: kind.to_owned(),
            schema: schema.to_owned(),
            name: object.to_owned(),
            object: object.to_owned(),
            sql: String::new(),
        };
        let is_wanted = |kind: &str, schema: &str, object: &str| entry(kind, schema, object).is_wanted(&[]);
        assert!(is_wanted("TABLE", "public", "todos") && is_wanted("SCHEMA", "-", "shop"));
        assert!(is_wanted("ACL", "-", "public") && is_wanted("EXTENSION", "-", "citext"));
        assert!(is_wanted("POLICY", "storage", "objects mine") && is_wanted("TRIGGER", "auth", "users t"));
        assert!(!is_wanted("TABLE", "storage", "objects") && !is_wanted("SCHEMA", "-", "auth"));
        assert!(!is_wanted("ACL", "-", "auth") && !is_wanted("EVENT TRIGGER", "-", "watch"));
        assert!(!entry("TABLE", "public", "todos").is_wanted(&["shop".to_owned()]));
        assert!(entry("TABLE", "storage", "objects").is_wanted(&["storage".to_owned()]));
    }
}
