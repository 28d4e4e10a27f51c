//! Names that operators of comparable stacks already have in their environment.
//!
//! Each file is a table, one line a name: the name, the setting it means, how its text is
//! rewritten. An empty text means "not set", as compose files pass every variable they know.
//! Names that this version has no setting for are told once and never fail a start.

mod gotrue;
mod postgrest;
mod supabase;

use std::collections::BTreeMap;

use super::load::{Assignment, leaf};
use super::schema::Known;
use super::source::{Problem, Source};
use super::value;

type Environment = BTreeMap<String, String>;

/// One line of a table: the name, the setting, how the text is rewritten before it is read.
type Row = (&'static str, &'static str, Rewrite);
type Rewrite = fn(&str) -> Result<String, String>;

/// What the environment of another stack says.
#[derive(Debug, Default)]
pub(super) struct Translated {
    pub(super) assignments: Vec<Assignment>,
    pub(super) notes: Vec<String>,
}

/// Translates what is there. `alone`: the data API is to run alone.
pub(super) fn translate(
    environment: &Environment,
    known: &Known,
    alone: bool,
    problems: &mut Vec<Problem>,
) -> Translated {
    let mut into = Names { environment, known, problems, out: Translated::default(), unused: Vec::new() };
    supabase::translate(&mut into);
    gotrue::translate(&mut into);
    postgrest::translate(&mut into, alone);
    let Names { mut out, unused, .. } = into;
    if !unused.is_empty() {
        out.notes.push(format!("set, but without effect in this version: {}", unused.join(", ")));
    }
    out
}

/// What a table is applied to.
struct Names<'a> {
    environment: &'a Environment,
    known: &'a Known,
    problems: &'a mut Vec<Problem>,
    out: Translated,
    unused: Vec<String>,
}

impl Names<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn apply(&mut self, rows: &[Row]) {
        for (name, path, rewrite) in rows {
            if let Some(text) = self.get(name) {
                let text = rewrite(text);
                self.assign(name, path, text);
            }
        }
    }

    fn assign(&mut self, name: &str, path: &str, text: Result<String, String>) {
        let source = Source::Environment(name.to_owned());
        let value = match leaf(self.known, path) {
            Some(leaf) => text.and_then(|text| value::from_text(leaf, &text)),
            None => Err("this version has no such setting".to_owned()),
        };
        let path = path.to_owned();
        match value {
            Ok(value) => self.out.assignments.push(Assignment { path, value, source }),
            Err(text) => self.problems.push(Problem { key: path, text, source }),
        }
    }

    /// Remembers a name without effect, unless its value asks for nothing.
    fn unused(&mut self, name: &str) {
        if self.get(name).is_some_and(|text| value::flag(text) != Some(false)) {
            self.unused.push(name.to_owned());
        }
    }

    /// Names with `prefix` that are in no table: those of `quiet` beginnings are known and have no
    /// meaning here, the rest is told.
    fn leftovers(&mut self, prefix: &str, rows: &[Row], handled: &[&str], quiet: &[&str]) {
        let environment = self.environment;
        for name in environment.keys() {
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            let known = rows.iter().any(|(row, ..)| row == name) || handled.contains(&name.as_str());
            if !known && !quiet.iter().any(|beginning| rest.starts_with(beginning)) {
                self.unused(name);
            }
        }
    }
}

// The text is fallible in all rewrites because it is in some.
#[allow(clippy::unnecessary_wraps)]
fn same(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A flag whose meaning is the other way round.
fn not(text: &str) -> Result<String, String> {
    let flag = value::flag(text).ok_or_else(|| "must be true or false".to_owned())?;
    Ok((!flag).to_string())
}

/// `phone:code,phone:code`; plus signs and spaces in numbers say nothing.
#[allow(clippy::unnecessary_wraps)]
fn test_codes(text: &str) -> Result<String, String> {
    Ok(text.replace(['+', ' '], ""))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Known;

    /// A table that names a setting which is gone would fail only where somebody uses the name.
    #[test]
    fn every_row_names_a_setting() {
        let known = Known::read();
        let rows = super::supabase::ROWS.iter().chain(super::gotrue::ROWS).chain(super::postgrest::ROWS);
        let wrong = rows
            .filter(|(_, path, _)| !known.leaves.contains_key(*path))
            .map(|(name, path, _)| (*name, *path));
        assert_eq!(wrong.collect::<Vec<_>>(), Vec::<(&str, &str)>::new());
    }
}
