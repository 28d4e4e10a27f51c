//! The one row that a statement answers with.

use bytes::Bytes;
use db::{Record, Value};

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
    /// The key of the last row, a JSON array of texts, where a read is continued by key.
    pub last_key: Option<String>,
}

/// The columns of a statement that writes nothing; one more if it is continued by key.
const READ_COLUMNS: usize = 5;

impl Rows {
    /// Reads the row that every statement of `sql` gives. A handler may group all rows away: that
    /// is an answer without rows.
    pub(super) fn read(row: Option<&Record>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self { total: Some(0), ..Self::default() }) };
        let is_write = row.width() > READ_COLUMNS + 1;
        let body = if is_write { 3 } else { 2 };
        let mut rows = Self {
            total: get(row, 0)?,
            page: get::<Option<i64>>(row, 1)?.unwrap_or_default(),
            body: bytes(row, body)?,
            headers: get(row, body + 1)?,
            status: get(row, body + 2)?,
            ..Self::default()
        };
        if row.width() == READ_COLUMNS + 1 {
            rows.last_key = get(row, READ_COLUMNS)?;
        }
        if is_write {
            rows.location = location(get(row, 2)?);
            rows.inserted = get(row, body + 3)?;
        }
        Ok(rows)
    }

    /// What SQL said about an answer whose rows are sent one by one.
    pub(super) fn said(row: Option<&Record>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self::default()) };
        Ok(Self { headers: get(row, 0)?, status: get(row, 1)?, ..Self::default() })
    }
}

/// `id=eq.1` as a pair.
fn location(pairs: Option<Vec<String>>) -> Vec<(String, String)> {
    let pairs = pairs.unwrap_or_default();
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(super) fn get<'a, T: Value<'a>>(row: &'a Record, index: usize) -> Result<T, Error> {
    row.get(index).map_err(|error| Error::Internal(error.to_string()))
}

pub(super) fn bytes(row: &Record, index: usize) -> Result<Bytes, Error> {
    let value = row.bytes(index).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(value.unwrap_or_default())
}

/// The time zone of [`crate::sql::response_settings`].
pub(super) fn zone(row: Option<&Record>) -> Result<&str, Error> {
    row.map_or(Ok(""), |row| get(row, 2))
}

/// The lines of an execution plan; in JSON it is one.
pub(super) fn explained(rows: &[Record]) -> Result<Bytes, Error> {
    let mut text = Vec::new();
    for row in rows {
        text.extend_from_slice(&bytes(row, 0)?);
        text.push(b'\n');
    }
    Ok(text.into())
}

/// The rows that the planner expects, from a plan in JSON.
pub(super) fn planned(rows: &[Record]) -> Option<i64> {
    let plan = bytes(rows.first()?, 0).ok()?;
    let plan: serde_json::Value = serde_json::from_slice(&plan).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_i64()
}

/// What the planner expects a statement to cost, from a plan in JSON. Rules make several of one.
pub(super) fn cost(rows: &[Record]) -> Option<f64> {
    let plans = bytes(rows.first()?, 0).ok()?;
    let plans: Vec<serde_json::Value> = serde_json::from_slice(&plans).ok()?;
    let costs = plans.iter().filter_map(|plan| plan.get("Plan"));
    costs.map(|plan| plan.get("Total Cost").and_then(serde_json::Value::as_f64)).sum()
}
