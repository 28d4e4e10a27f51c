//! Asks a database for its catalogue. What the role may not see at all is left out.

use std::collections::HashMap;

use anyhow::Context;
use db::Session;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::catalogue::{Catalogue, Column, Definition, Key, Kind, Relation, Routine};
use super::link;
use super::view::Views;

const SCHEMAS: &str = include_str!("load/schemas.sql");
const RELATIONS: &str = include_str!("load/relations.sql");
const COLUMNS: &str = include_str!("load/columns.sql");
const KINDS: &str = include_str!("load/kinds.sql");
const ROUTINES: &str = include_str!("load/routines.sql");
const KEYS: &str = include_str!("load/keys.sql");
const VIEWS: &str = include_str!("load/views.sql");

/// A view's column with this line in its comment is taken for never null.
const NEVER_NULL: &str = "@notNull";

/// The catalogue of `schemas`; views in the schemas of `search_path` are looked through for relationships.
///
/// # Errors
///
/// What Postgres said.
pub(crate) async fn load(
    session: &mut Session,
    schemas: &[String],
    search_path: &[String],
) -> anyhow::Result<Catalogue> {
    let found = session.query(SCHEMAS, &[&schemas]).await?;
    let found = found.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let relations: Vec<Relation> = rows(session, RELATIONS, schemas).await?;
    let columns: Vec<Column> = rows(session, COLUMNS, schemas).await?;
    let routines: Vec<Routine> = rows(session, ROUTINES, schemas).await?;
    let kinds: Vec<Kind> = rows(session, KINDS, &[]).await?;
    let keys: Vec<Key> = rows(session, KEYS, &[]).await?;
    let seen: Vec<String> = schemas.iter().chain(search_path).cloned().collect();
    let definitions: Vec<Definition> = rows(session, VIEWS, &seen).await?;

    let views = Views::read(&definitions);
    let never_null = views.never_null();
    let mut by_relation: HashMap<i64, Vec<Column>> = HashMap::new();
    for mut column in columns {
        let is_view = definitions.iter().any(|definition| definition.view == column.relation);
        let says_so = |comment: &String| comment.lines().any(|line| line.trim() == NEVER_NULL);
        if is_view
            && (never_null.contains(&(column.relation, column.position))
                || column.comment.as_ref().is_some_and(says_so))
        {
            column.is_nullable = false;
        }
        by_relation.entry(column.relation).or_default().push(column);
    }
    let links = link::links(&keys, &definitions, &views, schemas);
    let mut catalogue = Catalogue { schemas: found, relations, columns: by_relation, links, routines, kinds };
    catalogue.sort();
    Ok(catalogue)
}

/// Rows of one JSON object each.
async fn rows<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    schemas: &[String],
) -> anyhow::Result<Vec<T>> {
    let rows = if sql.contains("$1") {
        session.query(sql, &[&schemas]).await?
    } else {
        session.query(sql, &[]).await?
    };
    let read = |row: &db::Row| {
        let value: Value = row.try_get(0)?;
        serde_json::from_value(value).context("the catalogue is not understood")
    };
    rows.iter().map(read).collect()
}
