//! Reads the catalogue: one read-only transaction, few statements, everything joined here.
//!
//! Each statement returns one kind of row as the catalogue holds it; texts that Postgres has to make up (type names, default
//! expressions) are asked for once. The transaction sees one state of the catalogue and has an empty search path, so that
//! Postgres qualifies every name it prints.

mod keys;
mod routines;
mod tables;

use std::collections::HashSet;

use db::{Pool, Session, Text, ident};

use super::contents::{Contents, SchemaCache};
use super::infer::{primary_keys, relationships};
use super::model::{Name, QualifiedName};
use super::view::resolve;
use crate::config::Config;

/// A transaction as loading wants it: not cut short by the limits of the login role for requests, but not endless either.
const BEGIN: &str = "set transaction isolation level repeatable read, read only; \
                     set local search_path = ''; set local statement_timeout = '60s'; set local jit = off";

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The exposed schemas.
    pub schemas: Vec<String>,
    /// Schemas whose views may stand between an exposed view and a table.
    pub extra_search_path: Vec<String>,
    /// Settings of functions that are applied to the whole transaction.
    pub hoisted_settings: Vec<String>,
}

impl Scope {
    /// What these settings ask for.
    pub fn of(config: &Config) -> Self {
        Self {
            schemas: config.schemas.clone(),
            extra_search_path: config.extra_search_path.clone(),
            hoisted_settings: config.hoisted_settings.clone(),
        }
    }
}

/// Loads everything in `scope`.
///
/// # Errors
///
/// What Postgres or the driver said; 3F000 if a schema does not exist.
pub async fn load(pool: &Pool, scope: &Scope) -> Result<SchemaCache, db::Error> {
    let mut session = pool.begin().await?;
    session.batch(BEGIN).await?;
    let cache = read(&mut session, scope).await?;
    session.rollback().await?;
    Ok(cache)
}

async fn read(session: &mut Session, scope: &Scope) -> Result<SchemaCache, db::Error> {
    let mut names = Names::default();
    let schemas = idents(&scope.schemas);
    let mut relations = tables::relations(session, &schemas, &mut names).await?;
    let keys = keys::keys(session, &relations, &mut names).await?;
    let views = keys::views(session, &schemas, &idents(&scope.extra_search_path), &mut names).await?;
    let computed = routines::computed_relationships(session, &mut names).await?;
    let routines = routines::routines(session, &schemas, &array(&scope.hoisted_settings), &mut names).await?;
    let representations = routines::representations(session, &mut names).await?;
    let media_handlers = routines::media_handlers(session, &schemas, &mut names).await?;

    let views = resolve(&views);
    let mut keys_of = primary_keys(&keys, &views);
    let is_exposed = |name: &QualifiedName| scope.schemas.iter().any(|schema| **schema == *name.schema);
    let relationships = relationships(&keys, &views, &keys_of, computed, is_exposed);
    for table in relations.tables.values_mut() {
        table.primary_key = keys_of.remove(&table.name).unwrap_or_default();
    }
    let tables = relations.tables.into_values().collect();
    Ok(SchemaCache::new(Contents { tables, relationships, routines, representations, media_handlers }))
}

/// Equal names share their memory: most tables have an `id`.
#[derive(Default)]
struct Names(HashSet<Name>);

impl Names {
    fn get(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.0.insert(name.clone());
        name
    }

    fn qualified(&mut self, schema: &str, name: &str) -> QualifiedName {
        QualifiedName { schema: self.get(schema), name: self.get(name) }
    }
}

/// Schema names as an array of quoted identifiers, which Postgres turns into schemas or refuses.
fn idents(names: &[String]) -> Text {
    array(&names.iter().map(|name| ident(name)).collect::<Vec<_>>())
}

/// Texts as an array literal.
pub(super) fn array(elements: &[String]) -> Text {
    let quoted: Vec<String> = elements
        .iter()
        .map(|element| format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    Text::from(format!("{{{}}}", quoted.join(",")))
}

/// Numbers as an array literal.
fn numbers<T: ToString>(elements: impl Iterator<Item = T>) -> Text {
    Text::from(format!("{{{}}}", elements.map(|element| element.to_string()).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_elements_stay_apart() {
        let elements = ["a,b".to_owned(), r#"q"\"#.to_owned(), String::new(), "{}".to_owned()];
        assert_eq!(array(&elements), Text::from(r#"{"a,b","q\"\\","","{}"}"#));
        assert_eq!(array(&[]), Text::from("{}"));
        assert_eq!(idents(&[r#"My "own""#.to_owned()]), Text::from(r#"{"\"My \"\"own\"\"\""}"#));
        assert_eq!(numbers([1_u32, 20].into_iter()), Text::from("{1,20}"));
    }
}
