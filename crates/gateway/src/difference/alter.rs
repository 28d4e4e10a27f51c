//! What is altered and not made anew: it holds rows, numbers that go on, or is used all over.

use std::collections::BTreeSet;

use db::ident;

use super::tables::{Column, Table};
use super::undo::first_name;
use crate::project::split::statements;

/// How to alter something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alteration {
    pub(super) statements: Vec<String>,
    /// That is all there is to it.
    pub(super) is_complete: bool,
    /// Columns get another type or go: who reads them has to step aside.
    pub(super) is_noticed: bool,
}

/// A table, from its columns and the texts that make it.
pub(super) fn table(from: (&Table, &str), to: (&Table, &str)) -> Alteration {
    let (Some(old), Some(new)) = (Text::of(from.1), Text::of(to.1)) else {
        return Alteration { is_complete: from.1 == to.1, ..Alteration::default() };
    };
    let (from, to, name) = (from.0, to.0, new.name);
    let mut alteration = Alteration { is_complete: true, ..Alteration::default() };
    let mut say = |what: String| alteration.statements.push(format!("ALTER TABLE {name} {what};"));
    for (check, definition) in &from.checks {
        if to.checks.get(check) != Some(definition) {
            say(format!("DROP CONSTRAINT {}", ident(check)));
        }
    }
    let find =
        |table: &'_ Table, name: &str| table.columns.iter().find(|column| column.name == name).cloned();
    let mut is_noticed = false;
    for gone in from.columns.iter().filter(|column| find(to, &column.name).is_none()) {
        is_noticed = true;
        say(format!("DROP COLUMN {}", ident(&gone.name)));
    }
    for column in &to.columns {
        match find(from, &column.name) {
            None => say(format!("ADD COLUMN {}", defined(column))),
            Some(before) => {
                let (changes, noticed) = changed(&before, column);
                is_noticed |= noticed;
                changes.into_iter().for_each(&mut say);
            }
        }
    }
    for (check, definition) in &to.checks {
        if from.checks.get(check) != Some(definition) {
            say(format!("ADD CONSTRAINT {} {definition}", ident(check)));
        }
    }
    match (old.is_logged, new.is_logged) {
        (true, false) => say("SET UNLOGGED".to_owned()),
        (false, true) => say("SET LOGGED".to_owned()),
        _ => {}
    }
    let more: Vec<String> =
        new.more.iter().filter(|sql| !old.more.contains(sql)).map(|sql| format!("{sql};")).collect();
    let mut less = Vec::new();
    for gone in old.more.iter().filter(|sql| !new.more.contains(sql)) {
        if let Some(start) = gone.strip_suffix(" FORCE ROW LEVEL SECURITY") {
            less.push(format!("{start} NO FORCE ROW LEVEL SECURITY;"));
        } else if gone.contains(" REPLICA IDENTITY ")
            && !new.more.iter().any(|sql| sql.contains(" REPLICA IDENTITY "))
        {
            less.push(format!("ALTER TABLE {name} REPLICA IDENTITY DEFAULT;"));
        }
    }
    let is_storage = |tail: &str| tail.is_empty() || (tail.starts_with("WITH (") && tail.ends_with(')'));
    if old.tail != new.tail {
        match is_storage(old.tail) && is_storage(new.tail) {
            true => alteration.statements.extend(storage(name, old.tail, new.tail)),
            false => alteration.is_complete = false,
        }
    }
    alteration.statements.extend(less);
    alteration.statements.extend(more);
    alteration.is_noticed = is_noticed;
    alteration
}

/// The parts of the text that makes a table, but for what is in its parentheses.
struct Text<'a> {
    name: &'a str,
    is_logged: bool,
    /// How it is divided, or what it inherits from, or how it is stored.
    tail: &'a str,
    more: Vec<&'a str>,
}

impl<'a> Text<'a> {
    fn of(sql: &'a str) -> Option<Self> {
        let mut all = statements(sql).into_iter();
        let first = all.next()?;
        let (is_logged, rest) = match first.strip_prefix("CREATE TABLE ") {
            Some(rest) => (true, rest),
            None => (false, first.strip_prefix("CREATE UNLOGGED TABLE ")?),
        };
        let (_, tail) = first.rsplit_once("\n)")?;
        Some(Self { name: first_name(rest), is_logged, tail: tail.trim(), more: all.collect() })
    }
}

fn defined(column: &Column) -> String {
    let mut text = format!("{} {}", ident(&column.name), column.of_type);
    if let Some(collation) = &column.collation {
        text.push_str(&format!(" COLLATE {collation}"));
    }
    match &column.default {
        Some(expression) if column.is_generated => {
            text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) STORED"));
        }
        Some(expression) => text.push_str(&format!(" DEFAULT {expression}")),
        None => {}
    }
    if column.is_required {
        text.push_str(" NOT NULL");
    }
    text
}

/// Changes of a column that is there before and after, and whether who reads it notices.
fn changed(from: &Column, to: &Column) -> (Vec<String>, bool) {
    let name = ident(&to.name);
    let mut changes = Vec::new();
    if from.is_generated && !to.is_generated {
        changes.push(format!("ALTER COLUMN {name} DROP EXPRESSION"));
    } else if to.is_generated
        && (from.default != to.default || !from.is_generated || from.of_type != to.of_type)
    {
        // What is computed can be computed again.
        return (vec![format!("DROP COLUMN {name}"), format!("ADD COLUMN {}", defined(to))], true);
    }
    let is_retyped = (&from.of_type, &from.collation) != (&to.of_type, &to.collation);
    let old_default = from.default.as_ref().filter(|_| !from.is_generated);
    if is_retyped {
        if old_default.is_some() {
            changes.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        }
        let collation = to.collation.as_ref().map(|collation| format!(" COLLATE {collation}"));
        let collation = collation.unwrap_or_default();
        changes.push(format!("ALTER COLUMN {name} TYPE {0}{collation} USING {name}::{0}", to.of_type));
    }
    match &to.default {
        Some(_) if to.is_generated => {}
        Some(expression) if is_retyped || old_default != Some(expression) => {
            changes.push(format!("ALTER COLUMN {name} SET DEFAULT {expression}"));
        }
        None if old_default.is_some() && !is_retyped => {
            changes.push(format!("ALTER COLUMN {name} DROP DEFAULT"))
        }
        _ => {}
    }
    match (from.is_required, to.is_required) {
        (false, true) => changes.push(format!("ALTER COLUMN {name} SET NOT NULL")),
        (true, false) => changes.push(format!("ALTER COLUMN {name} DROP NOT NULL")),
        _ => {}
    }
    (changes, is_retyped)
}

/// `WITH (a='1', b='2')`: names are plain, and values have no comma in practice.
fn storage(name: &str, from: &str, to: &str) -> Vec<String> {
    let options = |tail: &str| -> BTreeSet<String> {
        let inside = tail.trim_start_matches("WITH (").trim_end_matches(')');
        inside.split(", ").filter(|option| !option.is_empty()).map(str::to_owned).collect()
    };
    let (from, to) = (options(from), options(to));
    let names = |options: &BTreeSet<String>| -> BTreeSet<String> {
        options.iter().filter_map(|option| option.split('=').next()).map(str::to_owned).collect()
    };
    let gone: Vec<String> = names(&from).difference(&names(&to)).cloned().collect();
    let new: Vec<String> = to.difference(&from).cloned().collect();
    let mut statements = Vec::new();
    if !gone.is_empty() {
        statements.push(format!("ALTER TABLE {name} RESET ({});", gone.join(", ")));
    }
    if !new.is_empty() {
        statements.push(format!("ALTER TABLE {name} SET ({});", new.join(", ")));
    }
    statements
}

/// A sequence, or the numbers of a column.
pub(super) fn sequence(to: &str) -> Option<String> {
    if let Some((column, rest)) = to.split_once(" ADD GENERATED ") {
        let (kind, options) = rest.split_once(" AS IDENTITY (")?;
        let options = options.lines().map(str::trim).filter(|line| !line.is_empty() && *line != ");");
        let options =
            options.filter(|line| !line.starts_with("SEQUENCE NAME")).map(|line| format!(" SET {line}"));
        let cycle = if to.contains("\n    CYCLE\n") { "" } else { " SET NO CYCLE" };
        return Some(format!("{column} SET GENERATED {kind}{}{cycle};", options.collect::<String>()));
    }
    let altered = to.replacen("CREATE SEQUENCE ", "ALTER SEQUENCE ", 1);
    let (first, rest) = altered.split_once('\n')?;
    let kind = if rest.trim_start().starts_with("AS ") { "" } else { "    AS bigint\n" };
    // Of a sequence that ends pg_dump says nothing.
    let cycle = if rest.contains("    CYCLE") { "" } else { "\n    NO CYCLE" };
    Some(format!("{first}\n{kind}{}{cycle};", rest.trim_end_matches(';')))
}

/// A function of which only the inside has changed is replaced: others use it.
pub(super) fn function(from: &str, to: &str) -> Option<String> {
    let head = |sql: &str| sql.lines().next().map(str::to_owned);
    let is_same = head(from) == head(to);
    let replaced = ["FUNCTION", "PROCEDURE"].iter().find_map(|kind| {
        to.strip_prefix(&format!("CREATE {kind} ")).map(|rest| format!("CREATE OR REPLACE {kind} {rest}"))
    });
    replaced.filter(|_| is_same)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn column(name: &str, of_type: &str) -> Column {
        Column { name: name.to_owned(), of_type: of_type.to_owned(), ..Column::default() }
    }

    fn altered(from: &[Column], to: &[Column]) -> Vec<String> {
        let of = |columns: &[Column]| Table { columns: columns.to_vec(), ..Table::default() };
        let sql = "CREATE TABLE public.a (\n    id integer\n);";
        let alteration = table((&of(from), sql), (&of(to), sql));
        assert!(alteration.is_complete);
        let start = "ALTER TABLE public.a ";
        alteration.statements.iter().map(|sql| sql.strip_prefix(start).unwrap_or(sql).to_owned()).collect()
    }

    #[test]
    fn columns_come_go_and_change() {
        let (a, b) = (column("a", "integer"), column("b", "text"));
        let required = Column { is_required: true, default: Some("''::text".to_owned()), ..b.clone() };
        let check =
            |from: &[Column], to: &[Column], expected: &[&str]| assert_eq!(altered(from, to), expected);
        check(from_ref(&a), from_ref(&a), &[]);
        check(&[a.clone(), b.clone()], &[b.clone(), a.clone()], &[]);
        check(
            from_ref(&a),
            &[a.clone(), required.clone()],
            &["ADD COLUMN \"b\" text DEFAULT ''::text NOT NULL;"],
        );
        check(&[a.clone(), b.clone()], from_ref(&a), &["DROP COLUMN \"b\";"]);
        check(
            from_ref(&b),
            from_ref(&required),
            &["ALTER COLUMN \"b\" SET DEFAULT ''::text;", "ALTER COLUMN \"b\" SET NOT NULL;"],
        );
        check(
            &[required],
            &[column("b", "integer")],
            &[
                "ALTER COLUMN \"b\" DROP DEFAULT;",
                "ALTER COLUMN \"b\" TYPE integer USING \"b\"::integer;",
                "ALTER COLUMN \"b\" DROP NOT NULL;",
            ],
        );
        let computed = Column { default: Some("(a + 1)".to_owned()), is_generated: true, ..a.clone() };
        check(
            &[a],
            &[computed],
            &["DROP COLUMN \"a\";", "ADD COLUMN \"a\" integer GENERATED ALWAYS AS ((a + 1)) STORED;"],
        );
    }

    #[test]
    fn what_stands_around_the_columns() {
        let of = |sql: &str, other: &str| {
            let found = table((&Table::default(), sql), (&Table::default(), other));
            found.is_complete.then_some(found.statements)
        };
        let plain = "CREATE TABLE public.a (\n    id integer\n);";
        let stored = "CREATE UNLOGGED TABLE public.a (\n    id integer\n)\nWITH (fillfactor='70');";
        assert_eq!(
            of(plain, stored),
            Some(vec![
                "ALTER TABLE public.a SET UNLOGGED;".to_owned(),
                "ALTER TABLE public.a SET (fillfactor='70');".to_owned()
            ])
        );
        let forced = "CREATE TABLE public.a (\n    id integer\n);\n\nALTER TABLE ONLY public.a FORCE ROW LEVEL SECURITY;";
        assert_eq!(
            of(forced, plain),
            Some(vec!["ALTER TABLE ONLY public.a NO FORCE ROW LEVEL SECURITY;".to_owned()])
        );
        let divided = "CREATE TABLE public.a (\n    id integer\n)\nPARTITION BY RANGE (id);";
        assert_eq!(of(plain, divided), None);
    }

    #[test]
    fn numbers_go_on() {
        assert_eq!(
            sequence("CREATE SEQUENCE public.s\n    START WITH 5\n    CACHE 1;").as_deref(),
            Some("ALTER SEQUENCE public.s\n    AS bigint\n    START WITH 5\n    CACHE 1\n    NO CYCLE;")
        );
        let identity = "ALTER TABLE public.a ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (\n    SEQUENCE NAME public.s\n    START WITH 1\n    CACHE 1\n);";
        assert_eq!(
            sequence(identity).as_deref(),
            Some(
                "ALTER TABLE public.a ALTER COLUMN id SET GENERATED BY DEFAULT SET START WITH 1 SET CACHE 1 SET NO CYCLE;"
            )
        );
    }

    #[test]
    fn a_function_is_replaced_if_it_is_called_the_same() {
        let sql = |head: &str, body: &str| {
            format!("CREATE FUNCTION public.f{head}\n    LANGUAGE sql\n    AS $$ {body} $$;")
        };
        let replaced =
            function(&sql("() RETURNS integer", "select 1"), &sql("() RETURNS integer", "select 2"));
        assert!(replaced.is_some_and(|sql| sql.starts_with("CREATE OR REPLACE FUNCTION public.f()")));
        assert_eq!(
            function(&sql("() RETURNS integer", "select 1"), &sql("() RETURNS text", "select 1")),
            None
        );
    }
}
