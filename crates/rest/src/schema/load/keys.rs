//! Keys and views: what relationships are inferred from.

use std::collections::{HashMap, HashSet};

use db::{Row, Session, Text};

use super::tables::Relations;
use super::{Names, numbers};
use crate::schema::infer::{Key, KeyColumn, KeyKind};
use crate::schema::model::{Name, QualifiedName};
use crate::schema::view::{View, origins};

/// A key as the catalogue holds it, all in numbers.
pub(super) struct RawKey {
    constraint: Name,
    kind: RawKind,
    columns: RawColumns,
}

enum RawKind {
    Primary,
    Unique,
    Foreign { columns: RawColumns, is_original: bool },
}

/// A relation, and the numbers of some of its columns.
struct RawColumns {
    relation: u32,
    numbers: Vec<i16>,
}

/// Every key of the database.
pub(super) async fn raw_keys(session: &mut Session, names: &mut Names) -> Result<Vec<RawKey>, db::Error> {
    let rows = session.query(include_str!("keys.sql"), &[]).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        keys.push(raw_key(&row, names)?);
    }
    Ok(keys)
}

fn raw_key(row: &Row, names: &mut Names) -> Result<RawKey, db::Error> {
    let kind = match row.try_get(0)? {
        "p" => RawKind::Primary,
        "u" => RawKind::Unique,
        _ => RawKind::Foreign {
            columns: RawColumns { relation: row.try_get(5)?, numbers: row.try_get(6)? },
            is_original: row.try_get(2)?,
        },
    };
    Ok(RawKey {
        constraint: names.get(row.try_get(1)?),
        kind,
        columns: RawColumns { relation: row.try_get(3)?, numbers: row.try_get(4)? },
    })
}

/// Gives names to what the keys are on; a table dropped meanwhile may take some away.
pub(super) async fn keys(
    session: &mut Session,
    raw: Vec<RawKey>,
    relations: &Relations,
    names: &mut Names,
) -> Result<Vec<Key>, db::Error> {
    let mut elsewhere = HashSet::new();
    for key in &raw {
        elsewhere.insert(key.columns.relation);
        if let RawKind::Foreign { columns, .. } = &key.kind {
            elsewhere.insert(columns.relation);
        }
    }
    elsewhere.retain(|oid| relations.name(*oid).is_none());
    let known = Known { relations, elsewhere: others(session, &elsewhere, names).await? };
    Ok(raw.into_iter().filter_map(|key| known.key(key)).collect())
}

/// The relations that keys are on, exposed or not.
struct Known<'a> {
    relations: &'a Relations,
    elsewhere: HashMap<u32, Other>,
}

/// A relation that is not exposed.
struct Other {
    name: QualifiedName,
    columns: HashMap<i16, Name>,
}

impl Known<'_> {
    fn key(&self, raw: RawKey) -> Option<Key> {
        let kind = match raw.kind {
            RawKind::Primary => KeyKind::Primary,
            RawKind::Unique => KeyKind::Unique,
            RawKind::Foreign { columns, is_original } => KeyKind::Foreign {
                relation: columns.relation,
                name: self.name(columns.relation)?.clone(),
                columns: self.columns(&columns)?,
                is_original,
            },
        };
        Some(Key {
            constraint: raw.constraint,
            kind,
            relation: raw.columns.relation,
            name: self.name(raw.columns.relation)?.clone(),
            columns: self.columns(&raw.columns)?,
        })
    }

    fn name(&self, relation: u32) -> Option<&QualifiedName> {
        self.relations.name(relation).or_else(|| Some(&self.elsewhere.get(&relation)?.name))
    }

    fn columns(&self, raw: &RawColumns) -> Option<Vec<KeyColumn>> {
        let name = |number: i16| {
            self.relations
                .column_name(raw.relation, number)
                .or_else(|| self.elsewhere.get(&raw.relation)?.columns.get(&number))
        };
        raw.numbers.iter().map(|&number| Some(KeyColumn { number, name: name(number)?.clone() })).collect()
    }
}

async fn others(
    session: &mut Session,
    relations: &HashSet<u32>,
    names: &mut Names,
) -> Result<HashMap<u32, Other>, db::Error> {
    let relations = numbers(relations.iter());
    let rows = session.query(include_str!("key_relations.sql"), &[&relations]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let (numbers, labels): (Vec<i16>, Vec<&str>) = (row.try_get(3)?, row.try_get(4)?);
        let other = Other {
            name: names.qualified(row.try_get(1)?, row.try_get(2)?),
            columns: numbers.into_iter().zip(labels.into_iter().map(|label| names.get(label))).collect(),
        };
        found.insert(row.try_get(0)?, other);
    }
    Ok(found)
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
    for row in rows {
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
