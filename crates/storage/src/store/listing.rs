//! Lists of objects, by the functions in `migrations/storage/repeatable/listing.sql` or straight from
//! the table; as the caller, whose policies hide rows.

use db::{Record, Text};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{iso, json};
use crate::call::Acting;

/// What objects can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    UpdatedAt,
    CreatedAt,
    LastAccessedAt,
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::UpdatedAt => "updated_at",
            Self::CreatedAt => "created_at",
            Self::LastAccessedAt => "last_accessed_at",
        }
    }
}

/// A line of the first listing; folders have nothing but their name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) last_accessed_at: Option<String>,
    pub(crate) metadata: Option<Box<RawValue>>,
}

impl Line {
    /// From six columns, of which the first is the one at `from`.
    fn read(record: &Record, from: usize) -> Result<Self, db::Error> {
        Ok(Self {
            name: record.get(from)?,
            id: record.get(from + 1)?,
            updated_at: record.get(from + 2)?,
            created_at: record.get(from + 3)?,
            last_accessed_at: record.get(from + 4)?,
            metadata: json(record, from + 5)?,
        })
    }
}

macro_rules! columns {
    () => {
        concat!(
            "name, id::text, ",
            iso!("updated_at"),
            ", ",
            iso!("created_at"),
            ", ",
            iso!("last_accessed_at"),
            ", metadata::text"
        )
    };
}

/// A folder to be listed.
#[derive(Clone, Debug)]
pub(crate) struct Folder<'a> {
    pub(crate) bucket: &'a str,
    /// Empty, or with a slash at its end.
    pub(crate) prefix: &'a str,
    pub(crate) search: &'a str,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) column: Column,
    pub(crate) descending: bool,
}

const SEARCH: &str = concat!("select ", columns!(), " from storage.search($1, $2, $3, 1, $4, $5, $6, $7)");

pub(crate) async fn folder(acting: &Acting<'_>, folder: &Folder<'_>) -> Result<Vec<Line>, db::Error> {
    let params = [
        folder.prefix.into(),
        folder.bucket.into(),
        // The function takes integers; more than that many there will not be.
        folder.limit.min(100_000).to_string().into(),
        folder.offset.min(2_000_000_000).to_string().into(),
        folder.search.into(),
        folder.column.name().into(),
        direction(folder.descending),
    ];
    acting.run(SEARCH, &params).await?.iter().map(|row| Line::read(row, 0)).collect()
}

fn direction(descending: bool) -> Text {
    if descending { "desc" } else { "asc" }.into()
}

/// A stretch of the second listing.
#[derive(Clone, Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) limit: u64,
    pub(crate) column: Column,
    pub(crate) descending: bool,
    /// The name behind which it begins, or nothing.
    pub(crate) after: &'a str,
    /// The moment of that name, where moments sort.
    pub(crate) after_moment: &'a str,
}

/// A line of the second listing with folders.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KeyedLine {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) line: Line,
}

const SEARCH_V2: &str =
    concat!("select key, ", columns!(), " from storage.search_v2($1, $2, $3, 1, $4, $5, $6, $7)");

/// Objects and folders below the prefix.
pub(crate) async fn with_folders(
    acting: &Acting<'_>,
    stretch: &Stretch<'_>,
) -> Result<Vec<KeyedLine>, db::Error> {
    // In the order of names a folder's slash tells that all of it is passed over; otherwise a line is
    // found by its name alone.
    let after = match stretch.column {
        Column::Name | Column::LastAccessedAt => stretch.after,
        Column::CreatedAt | Column::UpdatedAt => stretch.after.trim_end_matches('/'),
    };
    let params = [
        stretch.prefix.into(),
        stretch.bucket.into(),
        stretch.limit.to_string().into(),
        after.into(),
        direction(stretch.descending),
        stretch.column.name().into(),
        stretch.after_moment.into(),
    ];
    let rows = acting.run(SEARCH_V2, &params).await?;
    rows.iter().map(|row| Ok(KeyedLine { key: row.get(0)?, line: Line::read(row, 1)? })).collect()
}

const DELIMITED: &str =
    concat!("select ", columns!(), " from storage.list_objects_with_delimiter($1, $2, $3, $4, $5)");

/// Objects below the prefix in the order of their names; what names share up to a delimiter, however that
/// looks, is one line with the delimiter at its end.
pub(crate) async fn delimited(
    acting: &Acting<'_>,
    stretch: &Stretch<'_>,
    delimiter: &str,
) -> Result<Vec<Line>, db::Error> {
    let params = [
        stretch.bucket.into(),
        stretch.prefix.into(),
        delimiter.into(),
        stretch.limit.to_string().into(),
        stretch.after.into(),
    ];
    acting.run(DELIMITED, &params).await?.iter().map(|row| Line::read(row, 0)).collect()
}

const FLAT: &str = concat!(
    "select ",
    columns!(),
    " from storage.objects
     where bucket_id = $1 and archived_at is null
       and name collate \"C\" >= $2 and name collate \"C\" < $2 || chr(1114111)"
);

/// All objects whose names begin with the prefix.
pub(crate) async fn flat(acting: &Acting<'_>, stretch: &Stretch<'_>) -> Result<Vec<Line>, db::Error> {
    let ending = match (stretch.column, stretch.descending) {
        (Column::CreatedAt, false) => {
            " and ($3 = '' or (date_trunc('milliseconds', created_at), name collate \"C\") > (nullif($5, '')::timestamptz, $3))
              order by date_trunc('milliseconds', created_at), name collate \"C\" limit $4"
        }
        (Column::CreatedAt, true) => {
            " and ($3 = '' or (date_trunc('milliseconds', created_at), name collate \"C\") < (nullif($5, '')::timestamptz, $3))
              order by date_trunc('milliseconds', created_at) desc, name collate \"C\" desc limit $4"
        }
        (Column::UpdatedAt, false) => {
            " and ($3 = '' or (date_trunc('milliseconds', updated_at), name collate \"C\") > (nullif($5, '')::timestamptz, $3))
              order by date_trunc('milliseconds', updated_at), name collate \"C\" limit $4"
        }
        (Column::UpdatedAt, true) => {
            " and ($3 = '' or (date_trunc('milliseconds', updated_at), name collate \"C\") < (nullif($5, '')::timestamptz, $3))
              order by date_trunc('milliseconds', updated_at) desc, name collate \"C\" desc limit $4"
        }
        (Column::Name | Column::LastAccessedAt, false) => {
            " and ($3 = '' or name collate \"C\" > $3) order by name collate \"C\" limit $4"
        }
        (Column::Name | Column::LastAccessedAt, true) => {
            " and ($3 = '' or name collate \"C\" < $3) order by name collate \"C\" desc limit $4"
        }
    };
    let sql = [FLAT, ending].concat();
    let mut params: Vec<Text> = vec![
        stretch.bucket.into(),
        stretch.prefix.into(),
        stretch.after.into(),
        stretch.limit.to_string().into(),
    ];
    if matches!(stretch.column, Column::CreatedAt | Column::UpdatedAt) {
        params.push(stretch.after_moment.into());
    }
    acting.run(&sql, &params).await?.iter().map(|row| Line::read(row, 0)).collect()
}
