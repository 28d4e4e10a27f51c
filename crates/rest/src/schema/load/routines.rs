//! Functions, and what becomes of them: calls, computed relationships, representations, media handlers.

use db::{Row, Session, Text};

use super::Names;
use crate::schema::model::{
    Isolation, MediaHandler, Param, Relationship, RelationshipKind, Representation, ReturnedValue, Returns,
    Routine, Volatility,
};

/// Functions of the exposed schemas that a request can call.
pub(super) async fn routines(
    session: &mut Session,
    schemas: &Text,
    hoisted_settings: &Text,
    names: &mut Names,
) -> Result<Vec<Routine>, db::Error> {
    let rows = session.query(include_str!("routines.sql"), &[schemas, hoisted_settings]).await?;
    rows.iter().map(|row| routine(row, names)).collect()
}

fn routine(row: &Row, names: &mut Names) -> Result<Routine, db::Error> {
    let returned = names.qualified(row.try_get(8)?, row.try_get(9)?);
    let is_composite: bool = row.try_get(11)?;
    let setting_names: Vec<String> = row.try_get(15)?;
    let setting_values: Vec<String> = row.try_get(16)?;
    Ok(Routine {
        name: names.qualified(row.try_get(0)?, row.try_get(1)?),
        description: row.try_get(2)?,
        params: params(row, names)?,
        returns: Returns {
            is_set: row.try_get(10)?,
            value: if is_composite {
                ReturnedValue::Composite(returned)
            } else {
                ReturnedValue::Scalar(returned)
            },
        },
        volatility: match row.try_get(12)? {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        is_variadic: row.try_get(13)?,
        isolation: row.try_get::<_, Option<&str>>(14)?.map(Isolation::parse),
        settings: setting_names.into_iter().zip(setting_values).collect(),
    })
}

fn params(row: &Row, names: &mut Names) -> Result<Vec<Param>, db::Error> {
    let labels: Vec<&str> = row.try_get(3)?;
    let types: Vec<&str> = row.try_get(4)?;
    let cast_types: Vec<&str> = row.try_get(5)?;
    let required: Vec<bool> = row.try_get(6)?;
    let variadic: Vec<bool> = row.try_get(7)?;
    let params = labels
        .into_iter()
        .zip(types.into_iter().zip(cast_types))
        .zip(required.into_iter().zip(variadic))
        .map(|((label, (data_type, cast_type)), (is_required, is_variadic))| Param {
            name: names.get(label),
            data_type: names.get(data_type),
            cast_type: names.get(cast_type),
            is_required,
            is_variadic,
        });
    Ok(params.collect())
}

/// Functions from a row of a relation to rows of a relation, in any schema.
pub(super) async fn computed_relationships(
    session: &mut Session,
    names: &mut Names,
) -> Result<Vec<Relationship>, db::Error> {
    let rows = session.query(include_str!("computed.sql"), &[]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let function = names.qualified(row.try_get(0)?, row.try_get(1)?);
        let table = names.qualified(row.try_get(2)?, row.try_get(3)?);
        let foreign_table = names.qualified(row.try_get(4)?, row.try_get(5)?);
        found.push(Relationship {
            is_self: table == foreign_table,
            table,
            foreign_table,
            kind: RelationshipKind::Computed { function, is_to_one: row.try_get(6)? },
            table_is_view: false,
            foreign_table_is_view: false,
        });
    }
    Ok(found)
}

/// Casts between a domain and json or text.
pub(super) async fn representations(
    session: &mut Session,
    names: &mut Names,
) -> Result<Vec<Representation>, db::Error> {
    let rows = session.query(include_str!("representations.sql"), &[]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(Representation {
            from: names.get(row.try_get(0)?),
            to: names.get(row.try_get(1)?),
            function: names.qualified(row.try_get(2)?, row.try_get(3)?),
        });
    }
    Ok(found)
}

/// Aggregates and functions whose result is named after a media type.
pub(super) async fn media_handlers(
    session: &mut Session,
    schemas: &Text,
    names: &mut Names,
) -> Result<Vec<MediaHandler>, db::Error> {
    let rows = session.query(include_str!("media_handlers.sql"), &[schemas]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let target: (Option<&str>, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
        found.push(MediaHandler {
            function: names.qualified(row.try_get(0)?, row.try_get(1)?),
            target: match target {
                (Some(schema), Some(name)) => Some(names.qualified(schema, name)),
                _ => None,
            },
            accepted: names.get(row.try_get(4)?),
            media_type: names.get(row.try_get(5)?),
        });
    }
    Ok(found)
}
