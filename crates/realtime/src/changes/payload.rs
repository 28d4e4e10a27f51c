//! A change as its receivers read it.

use chrono::SecondsFormat;

use super::Change;
use super::kind::Types;
use super::value;
use super::wanted::Event;
use crate::protocol::text::quoted;
use crate::store::table::{Column, Rights, Table};
use crate::wal::decode::{Cell, Old, Row, Tuple};

/// Bytes of a value that is told even if the row is too large.
const SMALL: usize = 64;

/// Why a change is told without its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// Nobody can say which row it is.
    NoKey,
    /// The role may not read the key.
    Unauthorized,
}

impl Withheld {
    fn text(self) -> &'static str {
        match self {
            Self::NoKey => "Error 400: Bad Request, no primary key",
            Self::Unauthorized => "Error 401: Unauthorized",
        }
    }
}

/// A change of a table, with what is known of the table.
pub(super) struct Told<'a> {
    pub(super) change: &'a Change,
    pub(super) table: &'a Table,
    pub(super) types: &'a Types,
    /// It has more bytes than a change may have.
    pub(super) is_too_large: bool,
}

impl Told<'_> {
    /// What the change is.
    pub(super) fn event(&self) -> Event {
        match self.change.row {
            Row::Insert { .. } => Event::Insert,
            Row::Update { .. } => Event::Update,
            Row::Delete { .. } => Event::Delete,
        }
    }

    /// The place of a column among those of the stream.
    fn place(&self, name: &str) -> Option<usize> {
        self.change.relation.columns.iter().position(|column| column.name == name)
    }

    /// A value of the row as it is now; where it was not sent, the old one if that was.
    pub(super) fn new_cell(&self, name: &str) -> Option<&Cell> {
        let (Row::Insert { new } | Row::Update { new, .. }) = &self.change.row else { return None };
        let place = self.place(name)?;
        match new.get(place)? {
            Cell::Unchanged => match &self.change.row {
                Row::Update { old: Some(Old::Whole(old)), .. } => old.get(place),
                _ => None,
            },
            cell => Some(cell),
        }
        .filter(|cell| **cell != Cell::Unchanged)
    }

    /// A value of what identified the row before.
    pub(super) fn old_cell(&self, name: &str) -> Option<&Cell> {
        let place = self.place(name)?;
        let is_key = self.change.relation.columns.get(place)?.is_key;
        let of_key = |tuple: &'_ Tuple| -> Option<usize> { (is_key && tuple.len() > place).then_some(place) };
        let cell = match &self.change.row {
            Row::Insert { .. } => None,
            Row::Update { old: Some(Old::Whole(old)), .. } | Row::Delete { old: Old::Whole(old) } => {
                old.get(place)
            }
            Row::Update { old: Some(Old::Key(old)), .. } | Row::Delete { old: Old::Key(old) } => {
                old.get(of_key(old)?)
            }
            // What identifies it did not change.
            Row::Update { old: None, new } => new.get(of_key(new)?),
        };
        cell.filter(|cell| **cell != Cell::Unchanged)
    }

    /// The change for those who may read these columns of it.
    pub(super) fn to_json(&self, rights: &Rights, select: Option<&[String]>, is_bound: bool) -> String {
        let is_told = |column: &Column| {
            rights.columns.contains(&column.number)
                && (column.is_pkey || select.is_none_or(|select| select.contains(&column.name)))
        };
        let columns: Vec<&Column> = self.table.columns.iter().filter(|column| is_told(column)).collect();
        let mut json = self.head();
        json.push_str(r#","commit_timestamp":""#);
        json.push_str(&self.change.transaction.at.to_rfc3339_opts(SecondsFormat::Millis, true));
        json.push_str(r#"","columns":["#);
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(r#"{"name":"#);
            json.push_str(&quoted(&column.name));
            json.push_str(r#","type":"#);
            json.push_str(&quoted(&column.type_name));
            json.push('}');
        }
        json.push(']');
        if self.event() != Event::Delete {
            json.push_str(r#","record":"#);
            self.write(columns.iter().map(|column| (*column, self.new_cell(&column.name))), &mut json);
        }
        if self.event() != Event::Insert {
            // A policy cannot be asked about a row that is gone.
            let is_key_only = is_bound && self.event() == Event::Delete;
            let columns = columns.iter().filter(|column| column.is_pkey || !is_key_only);
            json.push_str(r#","old_record":"#);
            self.write(columns.map(|column| (*column, self.old_cell(&column.name))), &mut json);
        }
        json.push_str(match self.is_too_large {
            true => r#","errors":["Error 413: Payload Too Large"]}"#,
            false => r#","errors":null}"#,
        });
        json
    }

    /// The change for those who are only told that there was one.
    pub(super) fn withheld(&self, why: Withheld) -> String {
        let mut json = self.head();
        json.push_str(r#","commit_timestamp":null,"columns":[],"record":{}"#);
        if self.event() == Event::Update {
            json.push_str(r#","old_record":{}"#);
        }
        json.push_str(&format!(r#","errors":["{}"]}}"#, why.text()));
        json
    }

    fn head(&self) -> String {
        let relation = &self.change.relation;
        let (schema, table) = (quoted(&relation.schema), quoted(&relation.name));
        format!(r#"{{"schema":{schema},"table":{table},"type":"{}""#, self.event().name())
    }

    fn write<'a>(&self, cells: impl Iterator<Item = (&'a Column, Option<&'a Cell>)>, json: &mut String) {
        json.push('{');
        let mut is_first = true;
        for (column, cell) in cells {
            let Some(cell) = cell else { continue };
            let mut text = String::new();
            match cell.text() {
                Some(cell) => value::write(self.types, column.kind, cell, &mut text),
                None if self.is_too_large => continue,
                None => text.push_str("null"),
            }
            if self.is_too_large && text.len() > SMALL {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                json.push(',');
            }
            json.push_str(&quoted(&column.name));
            json.push(':');
            json.push_str(&text);
        }
        json.push('}');
    }
}
