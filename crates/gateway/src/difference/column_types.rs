//! Types, which columns have: what of one can be altered is altered. Of an enumeration that loses words another is made, and the
//! columns take it.

use std::collections::BTreeSet;

use db::ident;

use super::State;
use super::alter::Alteration;
use super::dump::Entry;
use super::tables::{Column, Name};
use super::undo::{first_identifier, first_name};

/// A type. Words can be added to an enumeration, and attributes changed; what else changes is not said here, but for [`exchanged`].
pub(super) fn of_type(from: &str, to: &str) -> Alteration {
    let parts = |sql: &str| -> Option<(String, bool, Vec<String>)> {
        let (head, body) = sql.split_once('(')?;
        let lines = body.lines().map(|line| line.trim().trim_end_matches(',').to_owned());
        let lines = lines.filter(|line| !line.is_empty() && line != ");").collect();
        Some((first_name(head.strip_prefix("CREATE TYPE ")?).to_owned(), head.contains(" AS ENUM "), lines))
    };
    let unsaid = Alteration::default();
    let (Some((name, is_enum, old)), Some((_, still_is, new))) = (parts(from), parts(to)) else {
        return unsaid;
    };
    if is_enum != still_is || !from.contains(" AS ") || from.contains(" AS RANGE ") {
        return unsaid;
    }
    let statements = if is_enum { words(&name, &old, &new) } else { Some(attributes(&name, &old, &new)) };
    match statements {
        Some(statements) => Alteration { statements, is_complete: true, is_noticed: false },
        None => unsaid,
    }
}

/// None if a word goes or moves.
fn words(name: &str, old: &[String], new: &[String]) -> Option<Vec<String>> {
    let kept: Vec<&String> = new.iter().filter(|word| old.contains(word)).collect();
    if kept.iter().copied().ne(old) {
        return None;
    }
    let mut statements = Vec::new();
    for (at, word) in new.iter().enumerate().filter(|(_, word)| !old.contains(word)) {
        // Those before it are there by then.
        let place = match at.checked_sub(1).and_then(|before| new.get(before)) {
            Some(before) => format!(" AFTER {before}"),
            None => old.first().map(|first| format!(" BEFORE {first}")).unwrap_or_default(),
        };
        statements.push(format!("ALTER TYPE {name} ADD VALUE {word}{place};"));
    }
    Some(statements)
}

fn attributes(name: &str, old: &[String], new: &[String]) -> Vec<String> {
    let find = |list: &[String], line: &str| {
        list.iter().find(|other| first_identifier(other) == first_identifier(line)).cloned()
    };
    let gone = old.iter().filter(|line| find(new, line).is_none());
    let mut statements: Vec<String> =
        gone.map(|line| format!("ALTER TYPE {name} DROP ATTRIBUTE {};", first_identifier(line))).collect();
    for line in new {
        match find(old, line) {
            None => statements.push(format!("ALTER TYPE {name} ADD ATTRIBUTE {line};")),
            Some(before) if before != *line => {
                let attribute = first_identifier(line);
                let of_type = line.get(attribute.len()..).unwrap_or_default().trim();
                statements.push(format!("ALTER TYPE {name} ALTER ATTRIBUTE {attribute} TYPE {of_type};"));
            }
            Some(_) => {}
        }
    }
    statements
}

/// A domain over the same type.
pub(super) fn domain(from: &str, to: &str) -> Alteration {
    let unsaid = Alteration::default();
    let (Some(old), Some(new)) = (Domain::of(from), Domain::of(to)) else { return unsaid };
    if old.base != new.base {
        return unsaid;
    }
    let mut statements = Vec::new();
    let mut say = |what: String| statements.push(format!("ALTER DOMAIN {} {what};", new.name));
    for gone in old.constraints.iter().filter(|one| !new.constraints.contains(one)) {
        say(format!("DROP CONSTRAINT {}", first_identifier(gone)));
    }
    match (old.default, new.default) {
        (Some(_), None) => say("DROP DEFAULT".to_owned()),
        (before, Some(default)) if before != Some(default) => say(format!("SET DEFAULT {default}")),
        _ => {}
    }
    match (old.is_required, new.is_required) {
        (false, true) => say("SET NOT NULL".to_owned()),
        (true, false) => say("DROP NOT NULL".to_owned()),
        _ => {}
    }
    for fresh in new.constraints.iter().filter(|one| !old.constraints.contains(one)) {
        say(format!("ADD CONSTRAINT {fresh}"));
    }
    Alteration { statements, is_complete: true, is_noticed: false }
}

/// The parts of the text that makes a domain.
struct Domain<'a> {
    name: &'a str,
    base: &'a str,
    is_required: bool,
    default: Option<&'a str>,
    /// Name and condition of each.
    constraints: Vec<&'a str>,
}

impl<'a> Domain<'a> {
    fn of(sql: &'a str) -> Option<Self> {
        let rest = sql.strip_prefix("CREATE DOMAIN ")?.strip_suffix(';')?;
        let mut parts = rest.split("\n\tCONSTRAINT ");
        let first = parts.next()?;
        let name = first_name(first);
        let body = first.get(name.len()..)?.strip_prefix(" AS ")?;
        let (kind, default) = match body.split_once(" DEFAULT ") {
            Some((kind, default)) => (kind, Some(default)),
            None => (body, None),
        };
        let required = kind.strip_suffix(" NOT NULL");
        let base = required.unwrap_or(kind);
        Some(Self { name, base, is_required: required.is_some(), default, constraints: parts.collect() })
    }
}

/// The statements that put `new` in the place of the enumeration `old`, and the tables whose columns take it: who reads those has
/// to step aside. None where something else is made with the type, or a column cannot take another.
pub(super) fn exchanged(
    state: &State,
    goal: &State,
    old: &Entry,
    new: &Entry,
) -> Option<(Vec<String>, BTreeSet<Name>)> {
    let rest = old.sql.strip_prefix("CREATE TYPE ")?;
    let name = first_name(rest);
    if [old, new].iter().any(|entry| !entry.sql.contains(" AS ENUM (")) {
        return None;
    }
    let array = format!("{name}[]");
    let has_it = |column: &&Column| column.of_type == name || column.of_type == array;
    let mut noticed = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let before = format!("{} before", old.name);
    let mut statements = vec![format!("ALTER TYPE {name} RENAME TO {};", ident(&before)), new.sql.clone()];
    for (place, table) in &state.tables.tables {
        let defaults =
            table.columns.iter().filter(|column| !has_it(column)).filter_map(|c| c.default.as_ref());
        if table.checks.values().chain(defaults).any(|text| mentions(text, name)) {
            return None;
        }
        let columns: Vec<&Column> = table.columns.iter().filter(has_it).collect();
        if columns.is_empty() {
            continue;
        }
        // What is computed from a column that takes another type is in its way.
        let reads = |other: &&String| columns.iter().any(|column| other.contains(&column.name));
        let mut computed = table.columns.iter().filter(|column| column.is_generated);
        if computed.any(|column| column.default.as_ref().filter(reads).is_some()) {
            return None;
        }
        taken.extend(columns.iter().map(|column| (place.clone(), column.name.clone())));
        noticed.insert(place.clone());
        let path = format!("{}.{}", ident(&place.0), ident(&place.1));
        let later = goal.tables.tables.get(place);
        for column in columns {
            let (of_type, name) = (&column.of_type, ident(&column.name));
            let text = if *of_type == array { "text[]" } else { "text" };
            let mut changes = Vec::new();
            if column.default.is_some() {
                changes.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
            }
            changes.push(format!("ALTER COLUMN {name} TYPE {of_type} USING {name}::{text}::{of_type}"));
            // Another default follows where the table is altered.
            let is_kept = later.is_some_and(|later| later.columns.iter().any(|other| other == column));
            if let Some(default) = column.default.as_ref().filter(|_| is_kept) {
                changes.push(format!("ALTER COLUMN {name} SET DEFAULT {default}"));
            }
            statements.push(format!("ALTER TABLE {path} {};", changes.join(", ")));
        }
    }
    statements.push(format!("DROP TYPE {}.{};", ident(&old.schema), ident(&before)));
    let readers: BTreeSet<&Name> =
        noticed.iter().filter_map(|table| state.tables.readers.get(table)).flatten().collect();
    let stands_aside = |entry: &Entry| match entry.kind.as_str() {
        "VIEW" | "MATERIALIZED VIEW" => {
            !mentions(&entry.sql, name) || readers.contains(&(entry.schema.clone(), entry.name.clone()))
        }
        "TABLE" => !entry.sql.contains("\nPARTITION BY ") || !mentions(&entry.sql, name),
        // A column that one of them names keeps its type.
        "TRIGGER" | "RULE" => {
            let is_on =
                |table: &Name| entry.schema == table.0 && entry.name.starts_with(&format!("{} ", table.1));
            !taken.iter().any(|(table, column): &(Name, String)| is_on(table) && entry.sql.contains(column))
        }
        "ACL" | "COMMENT" => true,
        _ => entry.key() == old.key() || !mentions(&entry.sql, name),
    };
    state.entries.iter().all(stands_aside).then_some((statements, noticed))
}

/// Whether a text speaks of what is called `name`, and not of something whose name begins or ends so.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"');
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_added_to_an_enumeration() {
        let sql =
            |words: &[&str]| format!("CREATE TYPE public.e AS ENUM (\n    {}\n);", words.join(",\n    "));
        let check = |from: &[&str], to: &[&str], expected: Option<&[&str]>| {
            let found = of_type(&sql(from), &sql(to));
            assert_eq!(
                found.is_complete.then_some(found.statements.iter().map(String::as_str).collect()),
                expected.map(<[_]>::to_vec)
            );
        };
        check(
            &["'b'", "'d'"],
            &["'a'", "'b'", "'c'", "'d'"],
            Some(&[
                "ALTER TYPE public.e ADD VALUE 'a' BEFORE 'b';",
                "ALTER TYPE public.e ADD VALUE 'c' AFTER 'b';",
            ]),
        );
        check(&["'a'", "'b'"], &["'b'"], None);
        check(&["'a'", "'b'"], &["'b'", "'a'"], None);
    }

    #[test]
    fn a_domain_is_altered() {
        let check = |from: &str, to: &str, expected: Option<&[&str]>| {
            let sql = |rest: &str| format!("CREATE DOMAIN public.d AS {rest};");
            let found = domain(&sql(from), &sql(to));
            let found: Option<Vec<&str>> =
                found.is_complete.then_some(found.statements.iter().map(String::as_str).collect());
            assert_eq!(found, expected.map(<[_]>::to_vec));
        };
        check("text", "text", Some(&[]));
        check("text", "integer", None);
        check(
            "text NOT NULL DEFAULT 'a'::text\n\tCONSTRAINT short CHECK ((length(VALUE) < 9))",
            "text\n\tCONSTRAINT short CHECK ((length(VALUE) < 8))",
            Some(&[
                "ALTER DOMAIN public.d DROP CONSTRAINT short;",
                "ALTER DOMAIN public.d DROP DEFAULT;",
                "ALTER DOMAIN public.d DROP NOT NULL;",
                "ALTER DOMAIN public.d ADD CONSTRAINT short CHECK ((length(VALUE) < 8));",
            ]),
        );
        check(
            "text",
            "text NOT NULL DEFAULT 'a'::text",
            Some(&["ALTER DOMAIN public.d SET DEFAULT 'a'::text;", "ALTER DOMAIN public.d SET NOT NULL;"]),
        );
    }

    #[test]
    fn names_are_found_whole() {
        for (text, found) in [
            ("'a'::public.e", true),
            ("public.e[]", true),
            ("public.eggs", false),
            ("my_public.e", false),
            ("public.e2, public.e)", true),
        ] {
            assert_eq!(mentions(text, "public.e"), found, "{text}");
        }
    }
}
