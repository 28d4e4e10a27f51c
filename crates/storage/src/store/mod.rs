//! The SQL of schema `storage`, one file per table. Where the caller's policies count, the texts are
//! those that upstream runs: policies see the same rows and columns.

pub(crate) mod admission;
pub(crate) mod buckets;
pub(crate) mod events;
pub(crate) mod listing;
pub(crate) mod objects;
pub(crate) mod removals;
pub(crate) mod settings;
pub(crate) mod uploads;
pub(crate) mod versions;

use db::{Access, End, Fleet, Flight, Isolation, Query, Record, Text};
use serde_json::value::RawValue;

/// An absent value is null.
pub(crate) fn optional(value: Option<impl Into<String>>) -> Text {
    value.map_or(Text::Null, |value| Text::Value(value.into()))
}

/// A list as Postgres spells arrays of texts.
pub(crate) fn array<S: AsRef<str>>(items: &[S]) -> Text {
    array_with_nulls(items.iter().map(|item| Some(item.as_ref())))
}

/// As [`array`]; what is missing is null.
pub(crate) fn array_with_nulls<'a>(items: impl Iterator<Item = Option<&'a str>>) -> Text {
    let mut text = String::from("{");
    for (n, item) in items.enumerate() {
        if n > 0 {
            text.push(',');
        }
        let Some(item) = item else {
            text.push_str("NULL");
            continue;
        };
        text.push('"');
        for c in item.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    Text::Value(text)
}

/// A statement of our own: as the owner of the tables, for no request.
pub(crate) async fn own(fleet: &Fleet, sql: &str, params: &[Text]) -> Result<Vec<Record>, db::Error> {
    own_after(fleet, None, sql, params).await
}

/// As [`own`], with a statement before it in the same transaction.
async fn own_after(
    fleet: &Fleet,
    first: Option<Query<'_>>,
    sql: &str,
    params: &[Text],
) -> Result<Vec<Record>, db::Error> {
    let landed = fleet
        .run(&Flight {
            role: "",
            access: Access::ReadWrite,
            isolation: Isolation::ReadCommitted,
            settings: &[("search_path".into(), "".into())],
            before: None,
            aside: first,
            main: Query { sql, params },
            describe: false,
            after: None,
            end: End::Commit,
        })
        .await?;
    Ok(landed.rows)
}

/// A document in a column of type text.
pub(crate) fn json(record: &Record, column: usize) -> Result<Option<Box<RawValue>>, db::Error> {
    let text: Option<String> = record.get(column)?;
    let parsed = text.map(RawValue::from_string).transpose();
    parsed.map_err(|error| db::Error::Client(format!("column {column} is no JSON: {error}")))
}

/// A column as the moment that clients expect: ISO 8601 with milliseconds, in UTC.
macro_rules! iso {
    ($column:literal) => {
        concat!("to_char(", $column, " at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    };
}
pub(crate) use iso;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_keep_their_items_apart() {
        assert_eq!(array::<&str>(&[]), Text::from("{}"));
        assert_eq!(
            array(&["a", "b,c", "d\"e", "f\\", "", "{}"]),
            Text::from(r#"{"a","b,c","d\"e","f\\","","{}"}"#)
        );
        assert_eq!(array_with_nulls([Some("NULL"), None].into_iter()), Text::from(r#"{"NULL",NULL}"#));
    }
}
