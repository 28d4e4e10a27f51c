//! What the settings file and the environment say.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use serde_json::{Map, Value};

use super::load::{Assignment, Request};
use super::schema::{Kind, Known, Leaf};
use super::source::{Problem, Source};
use super::value;

/// Name prefix of our own environment variables.
const PREFIX: &str = "BASALT_";

/// Reads the file: the one that was named, else the one in the data directory if there is one.
pub(super) fn file(request: &Request, known: &Known, problems: &mut Vec<Problem>) -> Vec<Assignment> {
    let path = request.config.clone().unwrap_or_else(|| request.data_dir.join("basalt.toml"));
    let source = Source::File(path.clone());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && request.config.is_none() => return Vec::new(),
        Err(error) => {
            let text = format!("the settings file cannot be read: {error}");
            problems.push(Problem { key: "--config".to_owned(), text, source });
            return Vec::new();
        }
    };
    let mut assignments = Vec::new();
    match toml::from_str::<Map<String, Value>>(&text) {
        Ok(table) => flatten("", table, known, &source, &mut assignments, problems),
        Err(error) => problems.push(Problem { key: "syntax".to_owned(), text: error.to_string(), source }),
    }
    assignments
}

fn flatten(
    prefix: &str,
    table: Map<String, Value>,
    known: &Known,
    source: &Source,
    into: &mut Vec<Assignment>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            value if known.leaves.contains_key(&path) => {
                into.push(Assignment { path, value, source: source.clone() })
            }
            Value::Object(table) if known.sections.contains_key(&path) => {
                flatten(&path, table, known, source, into, problems);
            }
            _ => problems.push(unknown(known, path, source.clone())),
        }
    }
}

/// `BASALT_SECTION__KEY`; names without `__` are settings only if they are known, because other
/// variables of ours look like that.
pub(super) fn environment(
    environment: &BTreeMap<String, String>,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let source = Source::Environment(name.clone());
        match leaf(known, &path) {
            Some(leaf) => match value::from_text(leaf, text) {
                Ok(value) => assignments.push(Assignment { path, value, source }),
                Err(text) => problems.push(Problem { key: path, text, source }),
            },
            None if rest.contains("__") => problems.push(unknown(known, path, source)),
            None => {}
        }
    }
    assignments
}

/// The setting at `path`. Below a map every name is a text, or has settings of its own.
pub(super) fn leaf<'a>(known: &'a Known, path: &str) -> Option<&'a Leaf> {
    const ENTRY: Leaf = Leaf {
        kind: Kind::Text,
        optional: false,
        secret: false,
        description: String::new(),
        choices: Vec::new(),
        entries: BTreeMap::new(),
    };
    static ENTRY_LEAF: Leaf = ENTRY;
    let map = |path: &str| known.leaves.get(path).filter(|leaf| leaf.kind == Kind::Map);
    known.leaves.get(path).or_else(|| {
        let (above, last) = path.rsplit_once('.')?;
        match map(above) {
            Some(leaf) => leaf.entries.is_empty().then_some(&ENTRY_LEAF),
            None => map(above.rsplit_once('.')?.0)?.entries.get(last),
        }
    })
}

fn unknown(known: &Known, path: String, source: Source) -> Problem {
    let nearest = known.nearest(&path);
    let text = match nearest.as_slice() {
        [] => "there is no such setting; `basalt config reference` lists them all".to_owned(),
        names => format!("there is no such setting; did you mean {}?", names.join(", ")),
    };
    Problem { key: path, text, source }
}
