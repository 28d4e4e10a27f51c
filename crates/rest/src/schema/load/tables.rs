//! Relations of the exposed schemas and their columns.

use std::collections::{HashMap, HashSet};

use db::{Row, Session, Text};

use super::{Names, numbers};
use crate::schema::model::{Column, Name, Table};

/// Relations by oid, and the numbers that keys and views use for their columns.
pub(super) struct Relations {
    pub tables: HashMap<u32, Table>,
    pub columns: HashMap<u32, Vec<RawColumn>>,
}

/// A column as the catalogue holds it.
pub(super) struct RawColumn {
    pub number: i16,
    pub name: Name,
    type_oid: u32,
    modifier: i32,
    is_not_null: bool,
}

impl Relations {
    /// The name of a column, if its relation was loaded.
    pub fn column_name(&self, relation: u32, number: i16) -> Option<&Name> {
        let columns = self.columns.get(&relation)?;
        columns.iter().find(|column| column.number == number).map(|column| &column.name)
    }
}

pub(super) async fn relations(
    session: &mut Session,
    schemas: &Text,
    names: &mut Names,
) -> Result<Relations, db::Error> {
    let rows = session.query(include_str!("relations.sql"), &[schemas]).await?;
    let mut tables = HashMap::with_capacity(rows.len());
    for row in &rows {
        tables.insert(row.try_get(0)?, table(row, names)?);
    }
    let rows = session.query(include_str!("columns.sql"), &[schemas]).await?;
    let mut columns = HashMap::with_capacity(rows.len());
    for row in &rows {
        columns.insert(row.try_get(0)?, raw_columns(row, names)?);
    }
    let types = column_types(session, &columns, names).await?;
    let mut defaults = texts(session, include_str!("defaults.sql"), schemas).await?;
    let mut comments = texts(session, include_str!("comments.sql"), schemas).await?;
    for (oid, table) in &mut tables {
        table.description = comments.remove(&(*oid, 0));
        table.columns = columns
            .get(oid)
            .into_iter()
            .flatten()
            .filter_map(|raw| {
                let data_type = types.get(&(raw.type_oid, raw.modifier))?;
                let key = (*oid, i32::from(raw.number));
                Some(Column {
                    name: raw.name.clone(),
                    description: comments.remove(&key),
                    is_nullable: !raw.is_not_null && !data_type.is_not_null,
                    data_type: data_type.data_type.clone(),
                    nominal_type: data_type.nominal_type.clone(),
                    max_length: data_type.max_length,
                    default: defaults.remove(&key).or_else(|| data_type.default.clone()),
                    enum_labels: data_type.enum_labels.clone(),
                })
            })
            .collect();
    }
    Ok(Relations { tables, columns })
}

fn table(row: &Row, names: &mut Names) -> Result<Table, db::Error> {
    let commands: i32 = row.try_get(4)?;
    Ok(Table {
        name: names.qualified(row.try_get(1)?, row.try_get(2)?),
        description: None,
        is_view: row.try_get(3)?,
        is_updatable: commands & 1 << 2 != 0,
        is_insertable: commands & 1 << 3 != 0,
        is_deletable: commands & 1 << 4 != 0,
        primary_key: Vec::new(),
        columns: Vec::new(),
    })
}

fn raw_columns(row: &Row, names: &mut Names) -> Result<Vec<RawColumn>, db::Error> {
    let numbers: Vec<i16> = row.try_get(1)?;
    let labels: Vec<&str> = row.try_get(2)?;
    let types: Vec<u32> = row.try_get(3)?;
    let modifiers: Vec<i32> = row.try_get(4)?;
    let not_null: Vec<bool> = row.try_get(5)?;
    let mut columns: Vec<RawColumn> = numbers
        .into_iter()
        .zip(labels)
        .zip(types.into_iter().zip(modifiers))
        .zip(not_null)
        .map(|(((number, label), (type_oid, modifier)), is_not_null)| RawColumn {
            number,
            name: names.get(label),
            type_oid,
            modifier,
            is_not_null,
        })
        .collect();
    columns.sort_unstable_by_key(|column| column.number);
    Ok(columns)
}

/// What all columns of one type and modifier have in common.
struct ColumnType {
    data_type: Name,
    nominal_type: Name,
    max_length: Option<i32>,
    is_not_null: bool,
    default: Option<String>,
    enum_labels: Vec<String>,
}

async fn column_types(
    session: &mut Session,
    columns: &HashMap<u32, Vec<RawColumn>>,
    names: &mut Names,
) -> Result<HashMap<(u32, i32), ColumnType>, db::Error> {
    let used: HashSet<(u32, i32)> =
        columns.values().flatten().map(|column| (column.type_oid, column.modifier)).collect();
    let oids = numbers(used.iter().map(|(oid, _)| oid));
    let modifiers = numbers(used.iter().map(|(_, modifier)| modifier));
    let rows = session.query(include_str!("column_types.sql"), &[&oids, &modifiers]).await?;
    let mut types = HashMap::with_capacity(rows.len());
    for row in &rows {
        let column_type = ColumnType {
            data_type: names.get(row.try_get(2)?),
            nominal_type: names.get(row.try_get(3)?),
            max_length: row.try_get(4)?,
            is_not_null: row.try_get(5)?,
            default: row.try_get(6)?,
            enum_labels: row.try_get(7)?,
        };
        types.insert((row.try_get(0)?, row.try_get(1)?), column_type);
    }
    Ok(types)
}

/// Rows of (relation, column number, text).
async fn texts(
    session: &mut Session,
    sql: &str,
    schemas: &Text,
) -> Result<HashMap<(u32, i32), String>, db::Error> {
    let rows = session.query(sql, &[schemas]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
    }
    Ok(found)
}
