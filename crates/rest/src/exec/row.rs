//! The one row that a statement answers with.

use bytes::Bytes;
use db::Row;
use db::types::{FromSql, Type};

use crate::error::Error;

/// What became of the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// All rows there are, if that was asked for.
    pub total: Option<i64>,
    /// The rows of this answer, or the rows that were changed.
    pub page: i64,
    /// The body as the database built it.
    pub body: Bytes,
    /// The setting `response.headers`.
    pub headers: Option<String>,
    /// The setting `response.status`.
    pub status: Option<String>,
    /// (key column, condition) of the one inserted row: `("id", "eq.1")`.
    pub location: Vec<(String, String)>,
    /// Rows that an upsert inserted, not counting those it changed.
    pub inserted: Option<i32>,
}

/// The columns of a statement that writes nothing.
const READ_COLUMNS: usize = 5;

/// A value as it came over the wire, whatever its type.
struct Wire<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Wire<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Rows {
    /// Reads the row that every statement of `sql` gives. A handler may group all rows away: that
    /// is an answer without rows.
    pub(super) fn read(row: Option<Row>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self { total: Some(0), ..Self::default() }) };
        let is_write = row.len() > READ_COLUMNS;
        let body = if is_write { 3 } else { 2 };
        let mut rows = Self::beside_body(&row, is_write)?;
        rows.body = owned(row, body)?;
        Ok(rows)
    }

    /// What SQL said about an answer whose rows are sent one by one.
    pub(super) fn said(row: Option<&Row>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self::default()) };
        Ok(Self { headers: get(row, 0)?, status: get(row, 1)?, ..Self::default() })
    }

    fn beside_body(row: &Row, is_write: bool) -> Result<Self, Error> {
        let mut rows = Self {
            total: get(row, 0)?,
            page: get::<Option<i64>>(row, 1)?.unwrap_or_default(),
            ..Self::default()
        };
        let body = if is_write { 3 } else { 2 };
        rows.headers = get(row, body + 1)?;
        rows.status = get(row, body + 2)?;
        if is_write {
            rows.location = location(get(row, 2)?);
            rows.inserted = get(row, body + 3)?;
        }
        Ok(rows)
    }
}

/// `id=eq.1` as a pair.
fn location(pairs: Option<Vec<String>>) -> Vec<(String, String)> {
    let pairs = pairs.unwrap_or_default();
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|error| Error::Internal(error.to_string()))
}

pub(super) fn bytes(row: &Row, index: usize) -> Result<Bytes, Error> {
    let value: Option<Wire<'_>> = get(row, index)?;
    Ok(value.map(|Wire(bytes)| Bytes::copy_from_slice(bytes)).unwrap_or_default())
}

/// From this size on, in bytes, a value is not copied out of its row: the answer keeps the row.
const WORTH_KEEPING: usize = 16 * 1024;

/// One value of a row as the owner of its bytes.
struct Kept {
    row: Row,
    column: usize,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        // What could be read once can be read again.
        let value = self.row.try_get::<_, Option<Wire<'_>>>(self.column).ok().flatten();
        value.map(|Wire(bytes)| bytes).unwrap_or_default()
    }
}

fn owned(row: Row, column: usize) -> Result<Bytes, Error> {
    let value: Option<Wire<'_>> = get(&row, column)?;
    match value {
        Some(Wire(value)) if value.len() >= WORTH_KEEPING => Ok(Bytes::from_owner(Kept { row, column })),
        Some(Wire(value)) => Ok(Bytes::copy_from_slice(value)),
        None => Ok(Bytes::new()),
    }
}

/// The lines of an execution plan; in JSON it is one.
pub(super) fn explained(rows: &[Row]) -> Result<Bytes, Error> {
    let mut text = Vec::new();
    for row in rows {
        text.extend_from_slice(&bytes(row, 0)?);
        text.push(b'\n');
    }
    Ok(text.into())
}

/// The rows that the planner expects, from a plan in JSON.
pub(super) fn planned(rows: &[Row]) -> Option<i64> {
    let plan = bytes(rows.first()?, 0).ok()?;
    let plan: serde_json::Value = serde_json::from_slice(&plan).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_i64()
}

/// What the planner expects a statement to cost, from a plan in JSON. Rules make several of one.
pub(super) fn cost(rows: &[Row]) -> Option<f64> {
    let plans = bytes(rows.first()?, 0).ok()?;
    let plans: Vec<serde_json::Value> = serde_json::from_slice(&plans).ok()?;
    let costs = plans.iter().filter_map(|plan| plan.get("Plan"));
    costs.map(|plan| plan.get("Total Cost").and_then(serde_json::Value::as_f64)).sum()
}
