//! Keys and views: what relationships are inferred from.

use std::collections::{HashMap, HashSet};

use db::{Row, Session, Text};

use super::tables::Relations;
use super::{Names, numbers};
use crate::schema::infer::{Key, KeyColumn, KeyKind};
use crate::schema::model::Name;
use crate::schema::view::{View, origins};

/// Every key whose columns are known; a table dropped meanwhile may take some away.
pub(super) async fn keys(
    session: &mut Session,
    relations: &Relations,
    names: &mut Names,
) -> Result<Vec<Key>, db::Error> {
    let rows = session.query(include_str!("keys.sql"), &[]).await?;
    let mut elsewhere = HashSet::new();
    for row in &rows {
        let oids: [u32; 2] = [row.try_get(3)?, row.try_get(7)?];
        elsewhere.extend(oids.into_iter().filter(|oid| *oid != 0 && !relations.columns.contains_key(oid)));
    }
    let columns = ColumnNames { relations, elsewhere: column_names(session, &elsewhere, names).await? };
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        keys.extend(key(row, &columns, names)?);
    }
    Ok(keys)
}

struct ColumnNames<'a> {
    relations: &'a Relations,
    elsewhere: HashMap<(u32, i16), Name>,
}

impl ColumnNames<'_> {
    fn of(&self, relation: u32, numbers: &[i16]) -> Option<Vec<KeyColumn>> {
        let name = |number| {
            self.relations.column_name(relation, number).or_else(|| self.elsewhere.get(&(relation, number)))
        };
        numbers.iter().map(|&number| Some(KeyColumn { number, name: name(number)?.clone() })).collect()
    }
}

async fn column_names(
    session: &mut Session,
    relations: &HashSet<u32>,
    names: &mut Names,
) -> Result<HashMap<(u32, i16), Name>, db::Error> {
    let relations = numbers(relations.iter());
    let rows = session.query(include_str!("key_columns.sql"), &[&relations]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert((row.try_get(0)?, row.try_get(1)?), names.get(row.try_get(2)?));
    }
    Ok(found)
}

fn key(row: &Row, columns: &ColumnNames<'_>, names: &mut Names) -> Result<Option<Key>, db::Error> {
    let relation = row.try_get(3)?;
    let numbers: Vec<i16> = row.try_get(6)?;
    let Some(own_columns) = columns.of(relation, &numbers) else { return Ok(None) };
    let kind = match row.try_get(0)? {
        "p" => KeyKind::Primary,
        "u" => KeyKind::Unique,
        _ => {
            let foreign = row.try_get(7)?;
            let numbers: Vec<i16> = row.try_get(10)?;
            let Some(foreign_columns) = columns.of(foreign, &numbers) else { return Ok(None) };
            KeyKind::Foreign {
                relation: foreign,
                name: names.qualified(row.try_get(8)?, row.try_get(9)?),
                columns: foreign_columns,
                is_original: row.try_get(2)?,
            }
        }
    };
    Ok(Some(Key {
        constraint: names.get(row.try_get(1)?),
        kind,
        relation,
        name: names.qualified(row.try_get(4)?, row.try_get(5)?),
        columns: own_columns,
    }))
}

/// The views of the exposed and the extra schemas.
pub(super) async fn views(
    session: &mut Session,
    schemas: &Text,
    extra: &Text,
    names: &mut Names,
) -> Result<Vec<View>, db::Error> {
    let rows = session.query(include_str!("views.sql"), &[schemas, extra]).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns: Vec<&str> = row.try_get(4)?;
        views.push(View {
            oid: row.try_get(0)?,
            name: names.qualified(row.try_get(1)?, row.try_get(2)?),
            is_exposed: row.try_get(3)?,
            columns: columns.into_iter().map(|column| names.get(column)).collect(),
            origins: origins(row.try_get(5)?),
        });
    }
    Ok(views)
}
