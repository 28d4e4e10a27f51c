//! Two states into statements.
//!
//! First goes what hangs from other things and is gone or is made anew, last made first; then, in the order in which the goal's
//! objects can be made, what is new is made and what has changed is altered; at last goes what others may have needed until then.

use std::collections::{BTreeMap, BTreeSet};

use db::ident;

use super::State;
use super::alter::{self, Alteration};
use super::column_types;
use super::dump::Entry;
use super::tables::{Name, Table};
use super::undo::{bond, index, is_early, is_identity, table, undo};

/// What to do, and what nobody knows how to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) statements: Vec<String>,
    pub(super) left: Vec<String>,
}

/// What is made anew where nothing is made with it.
const REMADE: &[&str] = &["COLLATION", "OPERATOR", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY"];

type Key<'a> = (&'a str, &'a str, &'a str);

struct Comparison<'a> {
    from: &'a State,
    to: &'a State,
    old: BTreeMap<Key<'a>, &'a Entry>,
    new: BTreeMap<Key<'a>, &'a Entry>,
    /// What is on both sides and looks different, and can be altered.
    altered: BTreeMap<Key<'a>, Vec<String>>,
    /// What is on both sides, is taken away and made again.
    again: BTreeSet<Key<'a>>,
    left: Vec<String>,
}

/// What makes `from` like `to`.
pub(super) fn plan(from: &State, to: &State) -> Plan {
    let mut comparison = Comparison {
        from,
        to,
        old: from.entries.iter().map(|entry| (entry.key(), entry)).collect(),
        new: to.entries.iter().map(|entry| (entry.key(), entry)).collect(),
        altered: BTreeMap::new(),
        again: BTreeSet::new(),
        left: Vec::new(),
    };
    comparison.look();
    comparison.plan()
}

impl<'a> Comparison<'a> {
    /// Decides about everything that is on both sides.
    fn look(&mut self) {
        let mut noticed: BTreeSet<Name> = BTreeSet::new();
        for (key, new) in self.new.clone() {
            let Some(old) = self.old.get(&key).copied() else { continue };
            let name = (new.schema.clone(), new.name.clone());
            if new.kind == "TABLE" {
                let alteration = self.table(&name, old, new);
                if alteration.is_noticed {
                    noticed.insert(name);
                }
                self.alter(key, new, alteration);
                continue;
            }
            if old.sql == new.sql {
                continue;
            }
            match new.kind.as_str() {
                "TYPE" => match column_types::exchanged(self.from, self.to, old, new) {
                    Some((statements, tables)) if !column_types::of_type(&old.sql, &new.sql).is_complete => {
                        self.altered.insert(key, statements);
                        noticed.extend(tables);
                    }
                    _ => self.alter(key, new, column_types::of_type(&old.sql, &new.sql)),
                },
                "DOMAIN" => self.alter(key, new, column_types::domain(&old.sql, &new.sql)),
                // Numbers that a column has of its own, or takes from a sequence.
                "SEQUENCE" if is_identity(old) != is_identity(new) => drop(self.again.insert(key)),
                "SEQUENCE" => match alter::sequence(&new.sql) {
                    Some(sql) => drop(self.altered.insert(key, vec![sql])),
                    None => self.left.push(new.shown()),
                },
                "FUNCTION" | "PROCEDURE" => match alter::function(&old.sql, &new.sql) {
                    Some(sql) => drop(self.altered.insert(key, vec![sql])),
                    None => drop(self.again.insert(key)),
                },
                // The later statement counts.
                "COMMENT" | "DEFAULT" | "SEQUENCE OWNED BY" => {
                    self.altered.insert(key, vec![new.sql.clone()]);
                }
                "AGGREGATE" | "PUBLICATION" => drop(self.again.insert(key)),
                kind if REMADE.contains(&kind) && self.is_unused(old) => drop(self.again.insert(key)),
                _ if is_early(new) => {
                    if matches!(new.kind.as_str(), "VIEW" | "MATERIALIZED VIEW") {
                        noticed.insert(name);
                    }
                    self.again.insert(key);
                }
                _ => self.left.push(new.shown()),
            }
        }
        self.make_room(&noticed);
    }

    fn table(&self, name: &Name, old: &Entry, new: &Entry) -> Alteration {
        let empty = Table::default();
        let of = |state: &'a State| state.tables.tables.get(name);
        let (from, to) = (of(self.from).unwrap_or(&empty), of(self.to).unwrap_or(&empty));
        alter::table((from, &old.sql), (to, &new.sql))
    }

    fn alter(&mut self, key: Key<'a>, entry: &Entry, alteration: Alteration) {
        if !alteration.is_complete {
            self.left.push(entry.shown());
        }
        if !alteration.statements.is_empty() {
            self.altered.insert(key, alteration.statements);
        }
    }

    /// Who reads what changes goes before it and comes back after it, and so does who refers to a key.
    fn make_room(&mut self, noticed: &BTreeSet<Name>) {
        let views: BTreeSet<Name> =
            noticed.iter().filter_map(|name| self.from.tables.readers.get(name)).flatten().cloned().collect();
        let is_again = |key: &Key<'_>| self.again.contains(key);
        let keys: Vec<&str> = self
            .from
            .entries
            .iter()
            .filter(|entry| entry.kind == "CONSTRAINT")
            .filter(|entry| is_again(&entry.key()) || !self.new.contains_key(&entry.key()))
            .filter_map(|entry| table(&entry.sql))
            .collect();
        let steps_aside = |entry: &Entry| match entry.kind.as_str() {
            "VIEW" | "MATERIALIZED VIEW" => views.contains(&(entry.schema.clone(), entry.name.clone())),
            "FK CONSTRAINT" => keys.iter().any(|table| entry.sql.contains(&format!(" REFERENCES {table}("))),
            // A policy may name a column that gets another type.
            "POLICY" => noticed.iter().any(|(schema, table)| {
                entry.schema == *schema
                    && entry.name.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with(' '))
            }),
            _ => false,
        };
        let aside: Vec<Key<'a>> = self
            .from
            .entries
            .iter()
            .filter(|entry| steps_aside(entry))
            .map(Entry::key)
            .filter_map(|key| self.new.get_key_value(&key).map(|(key, _)| *key))
            .collect();
        for key in aside {
            self.altered.remove(&key);
            self.again.insert(key);
        }
    }

    /// Whether nothing else speaks of it.
    fn is_unused(&self, entry: &Entry) -> bool {
        let full =
            [format!("{}.{}", entry.schema, entry.name), format!("{}.{}", entry.schema, ident(&entry.name))];
        let is_about = |other: &Entry| other.object == entry.name || other.key() == entry.key();
        let mut others = self.from.entries.iter().filter(|other| !is_about(other));
        !others.any(|other| full.iter().any(|name| other.sql.contains(name.as_str())))
    }

    fn is_gone(&self, entry: &Entry) -> bool {
        !self.new.contains_key(&entry.key())
    }

    /// Whether something of another kind gets its name.
    fn is_in_the_way(&self, entry: &Entry) -> bool {
        const KINDS: &[&str] =
            &["DOMAIN", "FOREIGN TABLE", "MATERIALIZED VIEW", "SEQUENCE", "TABLE", "TYPE", "VIEW"];
        let is_one = |entry: &Entry| KINDS.contains(&entry.kind.as_str());
        let is_same = |other: &Entry| (&other.schema, &other.name) == (&entry.schema, &entry.name);
        let mut made = self.to.entries.iter().filter(|other| !self.old.contains_key(&other.key()));
        is_one(entry) && made.any(|other| is_one(other) && is_same(other))
    }

    /// Whether it goes by itself, with what it is about.
    fn goes_along(&self, entry: &Entry) -> bool {
        let is_table_gone = |sql: &str| {
            let Some(table) = table(sql) else { return false };
            let of_table =
                |other: &&Entry| matches!(other.kind.as_str(), "TABLE" | "VIEW" | "MATERIALIZED VIEW");
            let mut gone = self.from.entries.iter().filter(of_table).filter(|other| self.is_gone(other));
            gone.any(|other| other.sql.contains(&format!(" {table} ")))
        };
        match entry.kind.as_str() {
            "ACL" | "COMMENT" => {
                let is_same = |other: &&Entry| {
                    let is_object = !matches!(other.kind.as_str(), "ACL" | "COMMENT" | "DEFAULT ACL");
                    let (schema, name) = match other.kind.as_str() {
                        "SCHEMA" => ("-", other.name.as_str()),
                        _ => (other.schema.as_str(), other.object.as_str()),
                    };
                    is_object && schema == entry.schema && name == entry.object
                };
                let mut before = self.from.entries.iter().filter(is_same).peekable();
                before.peek().is_some()
                    && before.all(|other| self.is_gone(other))
                    && !self.to.entries.iter().any(|other| is_same(&other))
            }
            "FK CONSTRAINT" | "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FUNCTION" | "PROCEDURE" => false,
            "SEQUENCE" if !is_identity(entry) => self.from.entries.iter().any(|other| {
                other.kind == "SEQUENCE OWNED BY"
                    && (&other.schema, &other.name) == (&entry.schema, &entry.name)
                    && is_table_gone(&other.sql)
            }),
            _ => is_table_gone(&entry.sql),
        }
    }

    /// Whether it is a part of an index of a partitioned table, or what binds it to that, and the whole is taken away:
    /// Postgres takes both along.
    fn goes_with_whole(&self, entry: &Entry) -> bool {
        let goes = |name: &str| {
            let is_it = |other: &&Entry| index(other).is_some_and(|full| full == name);
            let mut wholes = self.from.entries.iter().filter(is_it);
            wholes.any(|whole| self.is_gone(whole) || self.again.contains(&whole.key()))
        };
        if entry.kind == "INDEX ATTACH" {
            return bond(&entry.sql).is_some_and(|(whole, _)| goes(whole));
        }
        let Some(name) = index(entry) else { return false };
        let bonds = self.from.entries.iter().filter(|other| other.kind == "INDEX ATTACH");
        bonds.filter_map(|other| bond(&other.sql)).any(|(whole, part)| part == name && goes(whole))
    }

    /// Rights on what is only now made: which of them it has by default is seen in the next round.
    fn waits(&self, entry: &Entry) -> bool {
        entry.kind == "ACL"
            && self.to.entries.iter().any(|other| {
                let is_object = !matches!(other.kind.as_str(), "ACL" | "COMMENT" | "DEFAULT ACL");
                let is_made = !self.old.contains_key(&other.key()) || self.again.contains(&other.key());
                let schema = if other.kind == "SCHEMA" { "-" } else { &other.schema };
                is_object && is_made && (schema, &other.object) == (&entry.schema, &entry.object)
            })
    }

    fn plan(mut self) -> Plan {
        let mut statements = Vec::new();
        let mut last = Vec::new();
        for entry in self.from.entries.iter().rev() {
            let is_again = self.again.contains(&entry.key());
            if !is_again && (!self.is_gone(entry) || self.goes_along(entry)) || self.goes_with_whole(entry) {
                continue;
            }
            match undo(entry) {
                Some(sql) if is_again || is_early(entry) || self.is_in_the_way(entry) => statements.push(sql),
                Some(sql) => last.push(sql),
                None => self.left.push(entry.shown()),
            }
        }
        for entry in &self.to.entries {
            let key = entry.key();
            if let Some(altered) = self.altered.remove(&key) {
                statements.extend(altered);
            } else if self.again.contains(&key) || (!self.old.contains_key(&key) && !self.waits(entry)) {
                statements.push(entry.sql.clone());
            }
        }
        statements.extend(last);
        Plan { statements, left: self.left }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::Tables;
    use super::*;

    fn entry(kind: &str, name: &str, sql: &str) -> Entry {
        let (object, name) = (name.split('(').next().unwrap_or(name).to_owned(), name.to_owned());
        Entry { kind: kind.to_owned(), schema: "public".to_owned(), object, name, sql: sql.to_owned() }
    }

    fn state(entries: Vec<Entry>) -> State {
        State { entries, tables: Tables::default() }
    }

    fn table_entry(name: &str) -> Entry {
        entry("TABLE", name, &format!("CREATE TABLE public.{name} (\n    id integer\n);"))
    }

    fn view(name: &str, of: &str) -> Entry {
        entry("VIEW", name, &format!("CREATE VIEW public.{name} AS\n SELECT {of};"))
    }

    fn check(from: Vec<Entry>, to: Vec<Entry>, expected: &[&str]) {
        let plan = plan(&state(from), &state(to));
        assert_eq!(
            (plan.statements, plan.left),
            (expected.iter().map(ToString::to_string).collect(), vec![])
        );
    }

    #[test]
    fn what_goes_takes_its_own_along() {
        let index = entry("INDEX", "i", "CREATE INDEX i ON public.a USING btree (id);");
        let right =
            Entry { object: "a".to_owned(), ..entry("ACL", "x", "GRANT ALL ON TABLE public.a TO anon;") };
        check(vec![table_entry("a"), index, right], vec![], &["DROP TABLE \"public\".\"a\";"]);
    }

    #[test]
    fn readers_step_aside() {
        let mut from = state(vec![view("v", "1 AS a"), view("w", "v.a\n FROM public.v")]);
        let name = |name: &str| ("public".to_owned(), name.to_owned());
        from.tables.readers.insert(name("v"), [name("w")].into());
        let to = state(vec![view("v", "'1' AS a"), view("w", "v.a\n FROM public.v")]);
        let statements = plan(&from, &to).statements;
        let expected = [
            "DROP VIEW \"public\".\"w\";",
            "DROP VIEW \"public\".\"v\";",
            &to.entries[0].sql,
            &to.entries[1].sql,
        ];
        assert_eq!(statements, expected);
    }

    #[test]
    fn a_name_is_free_before_it_is_given_to_another_kind() {
        let of_table = view("a", "1 AS id");
        check(
            vec![table_entry("a")],
            vec![of_table.clone()],
            &["DROP TABLE \"public\".\"a\";", &of_table.sql],
        );
    }

    #[test]
    fn what_others_needed_goes_last() {
        let function =
            entry("FUNCTION", "f(integer)", "CREATE FUNCTION public.f(a integer) RETURNS integer\n x;");
        let trigger = entry(
            "TRIGGER",
            "a t",
            "CREATE TRIGGER t AFTER INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION public.f();",
        );
        check(
            vec![function, table_entry("a"), trigger],
            vec![table_entry("a"), table_entry("b")],
            &[
                "DROP TRIGGER t ON public.a;",
                &table_entry("b").sql,
                "DROP FUNCTION \"public\".\"f\"(integer);",
            ],
        );
    }

    #[test]
    fn parts_of_an_index_go_with_it() {
        let index = |name: &str, table: &str| {
            entry("INDEX", name, &format!("CREATE INDEX {name} ON {table} USING btree (b);"))
        };
        let bond = "ALTER INDEX public.i ATTACH PARTITION public.i1;";
        let from =
            vec![index("i", "ONLY public.p"), index("i1", "public.p1"), entry("INDEX ATTACH", "i1", bond)];
        check(from, vec![], &["DROP INDEX \"public\".\"i\";"]);
    }

    #[test]
    fn numbers_of_a_column_become_those_of_a_sequence() {
        const OWN: &str = "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n    SEQUENCE NAME public.s\n);";
        const SEQUENCE: &str = "CREATE SEQUENCE public.s\n    START WITH 1;";
        let (own, sequence) = (entry("SEQUENCE", "s", OWN), entry("SEQUENCE", "s", SEQUENCE));
        let gone = "ALTER TABLE public.t ALTER COLUMN id DROP IDENTITY IF EXISTS;";
        check(vec![own.clone()], vec![sequence.clone()], &[gone, SEQUENCE]);
        check(vec![sequence], vec![own], &["DROP SEQUENCE IF EXISTS \"public\".\"s\";", OWN]);
    }

    #[test]
    fn what_nobody_can_say_is_named() {
        let domain = |base: &str| entry("DOMAIN", "d", &format!("CREATE DOMAIN public.d AS {base};"));
        let plan = plan(&state(vec![domain("text")]), &state(vec![domain("integer")]));
        assert_eq!((plan.statements.len(), plan.left), (0, vec!["domain public.d".to_owned()]));
    }
}
