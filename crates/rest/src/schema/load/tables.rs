//! Relations of the exposed schemas and their columns.

use std::collections::{HashMap, HashSet};

use db::{Row, Session, Text};

use super::{Names, numbers};
use crate::schema::model::{Column, Name, QualifiedName, Table};

/// Relations by oid, and the numbers that keys and views use for their columns.
pub(super) struct Relations {
    pub tables: HashMap<u32, Table>,
    pub columns: HashMap<u32, Vec<RawColumn>>,
}

/// A column as the catalogue holds it.
pub(super) struct RawColumn {
    number: i16,
    name: Name,
    type_oid: u32,
    modifier: i32,
    is_not_null: bool,
    has_default: bool,
}

impl Relations {
    /// The name of a relation, if it was loaded.
    pub fn name(&self, relation: u32) -> Option<&QualifiedName> {
        self.tables.get(&relation).map(|table| &table.name)
    }

    /// The name of a column, if its relation was loaded.
    pub fn column_name(&self, relation: u32, number: i16) -> Option<&Name> {
        let columns = self.columns.get(&relation)?;
        let index = columns.binary_search_by_key(&number, |column| column.number).ok()?;
        columns.get(index).map(|column| &column.name)
    }
}

pub(super) async fn relations(
    session: &mut Session,
    schemas: &Text,
    names: &mut Names,
) -> Result<Relations, db::Error> {
    let rows = session.query(include_str!("relations.sql"), &[schemas]).await?;
    let mut tables = HashMap::with_capacity(rows.len());
    for row in rows {
        tables.insert(row.try_get(0)?, table(&row, names)?);
    }
    let rows = session.query(include_str!("columns.sql"), &[schemas]).await?;
    let mut columns = HashMap::with_capacity(rows.len());
    for row in rows {
        columns.insert(row.try_get(0)?, raw_columns(&row, names)?);
    }
    let types = column_types(session, &columns, names).await?;
    let defaults = defaults(session).await?;
    let mut comments = comments(session, schemas).await?;
    for (oid, table) in &mut tables {
        table.description = comments.remove(&(*oid, 0));
        let raw = columns.get(oid).map(Vec::as_slice).unwrap_or_default();
        table.columns = Vec::with_capacity(raw.len());
        for raw in raw {
            let Some(data_type) = types.get(&(raw.type_oid, raw.modifier)) else { continue };
            let default = defaults.get(&(*oid, raw.number)).filter(|_| raw.has_default);
            table.columns.push(Column {
                name: raw.name.clone(),
                description: comments.remove(&(*oid, i32::from(raw.number))),
                is_nullable: !raw.is_not_null && !data_type.is_not_null,
                data_type: data_type.data_type.clone(),
                nominal_type: data_type.nominal_type.clone(),
                max_length: data_type.max_length,
                default: default.or(data_type.default.as_ref()).map(|text| text.to_string()),
                enum_labels: data_type.enum_labels.clone(),
            });
        }
    }
    Ok(Relations { tables, columns })
}

fn table(row: &Row, names: &mut Names) -> Result<Table, db::Error> {
    let is_table: bool = row.try_get(4)?;
    Ok(Table {
        name: names.qualified(row.try_get(1)?, row.try_get(2)?),
        description: None,
        is_view: row.try_get(3)?,
        is_updatable: is_table,
        is_insertable: is_table,
        is_deletable: is_table,
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
    let has_default: Vec<bool> = row.try_get(6)?;
    let mut columns: Vec<RawColumn> = numbers
        .into_iter()
        .zip(labels)
        .zip(types.into_iter().zip(modifiers))
        .zip(not_null.into_iter().zip(has_default))
        .map(|(((number, label), (type_oid, modifier)), (is_not_null, has_default))| RawColumn {
            number,
            name: names.get(label),
            type_oid,
            modifier,
            is_not_null,
            has_default,
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
    default: Option<Name>,
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
            default: row.try_get::<_, Option<&str>>(6)?.map(Name::from),
            enum_labels: row.try_get(7)?,
        };
        types.insert((row.try_get(0)?, row.try_get(1)?), column_type);
    }
    Ok(types)
}

/// Default expressions by relation and column number.
async fn defaults(session: &mut Session) -> Result<HashMap<(u32, i16), Name>, db::Error> {
    let rows = session.query(include_str!("defaults.sql"), &[]).await?;
    let mut found = HashMap::new();
    for row in &rows {
        // None: it names something that was dropped meanwhile.
        let Some(expression) = row.try_get::<_, Option<&str>>(0)?.map(Name::from) else { continue };
        let (relations, columns): (Vec<u32>, Vec<i16>) = (row.try_get(1)?, row.try_get(2)?);
        found.extend(relations.into_iter().zip(columns).map(|column| (column, expression.clone())));
    }
    Ok(found)
}

/// Comments by relation and column number, 0 for the relation itself.
async fn comments(session: &mut Session, schemas: &Text) -> Result<HashMap<(u32, i32), String>, db::Error> {
    let rows = session.query(include_str!("comments.sql"), &[schemas]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
    }
    Ok(found)
}

/// The commands that views and foreign tables accept.
pub(super) async fn commands(session: &mut Session, schemas: &Text) -> Result<Vec<(u32, i32)>, db::Error> {
    let rows = session.query(include_str!("commands.sql"), &[schemas]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
