//! What may have been meant by a name that the cache does not have.
//!
//! Thresholds are PostgREST's: a table or function is only named to someone who nearly named it; what belongs to a known
//! function or relation may be told more freely. Schemas with very many objects get no hints, so that a stream of
//! misspelt requests stays cheap.

use super::contents::SchemaCache;
use super::fuzzy::closest;
use super::model::QualifiedName;

/// Least similarity of tables and functions: a lower one would tell strangers what there is.
const STRANGER: f64 = 0.75;

/// Least similarity of relationships and parameters.
const FRIEND: f64 = 0.33;

/// Schemas and lists with more names than this are not searched.
const MOST_CANDIDATES: usize = 500;

/// One name of a pair that should have been another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The name in the request.
    pub wrong: String,
    /// The name there is.
    pub right: String,
}

impl SchemaCache {
    /// A table of the same schema with a similar name.
    pub fn similar_table(&self, name: &QualifiedName) -> Option<String> {
        let tables = self.tables.keys().filter(|table| table.schema == name.schema).map(|table| &*table.name);
        similar(tables, &name.name, STRANGER)
    }

    /// What to call instead of a function that does not exist with these parameters: `name` if there is none of that name,
    /// else `name(a, b)` with the parameters of the overload most like those given.
    pub fn similar_routine<'a>(
        &self,
        name: &QualifiedName,
        params: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        let overloads = self.routines(name);
        if overloads.is_empty() {
            let names = self
                .routines
                .keys()
                .filter(|routine| routine.schema == name.schema)
                .map(|routine| &*routine.name);
            return similar(names, &name.name, STRANGER);
        }
        let lists: Vec<String> = overloads
            .iter()
            .map(|routine| listed(routine.params.iter().map(|param| &*param.name).collect()))
            .collect();
        let list = similar(lists.iter().map(String::as_str), &listed(params.into_iter().collect()), FRIEND)?;
        Some(format!("{}{list}", name.name))
    }

    /// What to write instead of `child`, if `parent` is there, or else instead of `parent`. None if both names are right:
    /// then it is the hint between them that is wrong.
    pub fn similar_relationship(&self, parent: &QualifiedName, child: &str) -> Option<Correction> {
        if self.tables.contains_key(parent) {
            let children = self.relationships(parent, &parent.schema);
            let names = children.map(|relationship| &*relationship.foreign_table.name);
            let (score, right) = best(names, child, FRIEND)?;
            return (score < 1.0).then(|| Correction { wrong: child.to_owned(), right });
        }
        let parents = self.relationships.keys().filter(|origin| origin.schema == parent.schema);
        let right = similar(parents.map(|origin| &*origin.name), &parent.name, FRIEND)?;
        Some(Correction { wrong: parent.name.to_string(), right })
    }
}

fn similar<'a>(candidates: impl Iterator<Item = &'a str>, query: &str, min_score: f64) -> Option<String> {
    best(candidates, query, min_score).map(|(_, name)| name)
}

/// Candidates are sorted first, so that of equally similar ones always the same is named.
fn best<'a>(candidates: impl Iterator<Item = &'a str>, query: &str, min_score: f64) -> Option<(f64, String)> {
    let mut candidates: Vec<&str> = candidates.take(MOST_CANDIDATES).collect();
    if candidates.len() >= MOST_CANDIDATES {
        return None;
    }
    candidates.sort_unstable();
    closest(candidates, query, min_score).map(|(score, name)| (score, name.to_owned()))
}

/// Parameters as one text: `(a, b)`, sorted.
fn listed(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    format!("({})", names.join(", "))
}
