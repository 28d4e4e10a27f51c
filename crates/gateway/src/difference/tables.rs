//! What tables are made of, from the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use db::{Error, Session};

use super::dump::Entry;
use super::spelling::settled;
use crate::advice::PLATFORM;

/// Schema and name.
pub(super) type Name = (String, String);

/// All tables, and who reads them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) tables: BTreeMap<Name, Table>,
    /// Views, by a relation that they read at any distance.
    pub(super) readers: BTreeMap<Name, BTreeSet<Name>>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Checks by name, as `CHECK (…)`.
    pub(super) checks: BTreeMap<String, String>,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) of_type: String,
    pub(super) collation: Option<String>,
    pub(super) is_required: bool,
    /// None where pg_dump has an entry of its own for it.
    pub(super) default: Option<String>,
    pub(super) is_generated: bool,
}

/// Reads them, without what `entries` have of their own.
pub(super) async fn load(session: &mut Session, entries: &[Entry]) -> Result<Tables, Error> {
    let has_entry = |kind: &str, schema: &str, table: &str, name: &str| {
        let full = format!("{table} {name}");
        entries.iter().any(|entry| entry.key() == (kind, schema, full.as_str()))
    };
    let mut found = Tables::default();
    for row in session.query(include_str!("columns.sql"), &[&PLATFORM]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let is_own: bool = row.try_get(8)?;
        let place = found.tables.entry((schema.clone(), table.clone())).or_default();
        // What is inherited is altered where it comes from.
        if is_own {
            let default: Option<String> = row.try_get(6)?;
            place.columns.push(Column {
                default: default
                    .as_deref()
                    .map(settled)
                    .filter(|_| !has_entry("DEFAULT", &schema, &table, &name)),
                name,
                of_type: row.try_get(3)?,
                collation: row.try_get(4)?,
                is_required: row.try_get(5)?,
                is_generated: row.try_get::<_, &str>(7)? == "s",
            });
        }
    }
    for row in session.query(include_str!("checks.sql"), &[&PLATFORM]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if !has_entry("CHECK CONSTRAINT", &schema, &table, &name) {
            let definition = settled(row.try_get(3)?);
            found.tables.entry((schema, table)).or_default().checks.insert(name, definition);
        }
    }
    for row in session.query(include_str!("views.sql"), &[&PLATFORM]).await? {
        let (relation, view) = ((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?));
        found.readers.entry(relation).or_default().insert(view);
    }
    Ok(found)
}
