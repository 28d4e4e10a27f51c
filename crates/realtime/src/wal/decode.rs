//! Messages of `pgoutput`, version 1 of its protocol, as values.
//!
//! A row is a list of columns in the order in which its relation was described. Values are texts, as Postgres
//! prints them. Types, origins, truncations and messages of applications are read over: nobody here needs them.

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use db::Lsn;
use thiserror::Error;

/// Something that is no message of `pgoutput`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Undecodable {
    #[error("a message is shorter than it says")]
    Short,
    #[error("a message of the kind {0:?} holds something unknown")]
    Unknown(char),
    #[error("a name is not UTF-8")]
    Encoding,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// It is part of what identifies a row (`replica identity`).
    pub(crate) is_key: bool,
    /// The type's OID.
    pub(crate) kind: u32,
}

/// A table, described before the first of its rows and after every change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) id: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    /// A large value that did not change; it is not sent again.
    Unchanged,
    Text(Bytes),
}

impl Cell {
    /// The value as text; none for null and for what was not sent.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Null | Self::Unchanged => None,
        }
    }
}

/// A row.
pub(crate) type Tuple = Vec<Cell>;

/// A row as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Old {
    /// What identifies it; the other columns are null and mean nothing.
    Key(Tuple),
    /// All of it.
    Whole(Tuple),
}

/// What happened to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Insert {
        new: Tuple,
    },
    /// Without an old row if what identifies it did not change.
    Update {
        old: Option<Old>,
        new: Tuple,
    },
    Delete {
        old: Old,
    },
}

impl Row {
    /// The bytes of its values.
    pub(crate) fn size(&self) -> usize {
        let size = |tuple: &Tuple| {
            let bytes = |cell: &Cell| if let Cell::Text(bytes) = cell { bytes.len() } else { 0 };
            tuple.iter().map(bytes).sum::<usize>()
        };
        let of_old = |(Old::Key(tuple) | Old::Whole(tuple)): &Old| size(tuple);
        match self {
            Self::Insert { new } => size(new),
            Self::Update { old, new } => size(new) + old.as_ref().map_or(0, of_old),
            Self::Delete { old } => of_old(old),
        }
    }
}

/// A transaction that was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Where its commit stands in the log: transactions come in the order of these.
    pub(crate) commit: Lsn,
    /// When it was committed.
    pub(crate) at: DateTime<Utc>,
    /// Its number.
    pub(crate) id: u32,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A transaction.
    Begin(Transaction),
    Relation(Relation),
    Row {
        relation: u32,
        row: Row,
    },
    /// Something that nobody here needs.
    Other,
}

/// Reads a message.
///
/// # Errors
///
/// [`Undecodable`].
pub(crate) fn decode(message: &Bytes) -> Result<Message, Undecodable> {
    let mut rest = Reader(message.clone());
    match rest.u8()? {
        b'B' => {
            let (commit, at, id) = (Lsn(rest.u64()?), moment(rest.u64()?), rest.u32()?);
            Ok(Message::Begin(Transaction { commit, at, id }))
        }
        b'R' => relation(&mut rest).map(Message::Relation),
        b'I' => {
            let relation = rest.u32()?;
            match rest.u8()? {
                b'N' => Ok(Message::Row { relation, row: Row::Insert { new: tuple(&mut rest)? } }),
                _ => Err(Undecodable::Unknown('I')),
            }
        }
        b'U' => update(&mut rest),
        b'D' => {
            let relation = rest.u32()?;
            let kind = rest.u8()?;
            let old = old(kind, &mut rest)?.ok_or(Undecodable::Unknown('D'))?;
            Ok(Message::Row { relation, row: Row::Delete { old } })
        }
        _ => Ok(Message::Other),
    }
}

fn update(rest: &mut Reader) -> Result<Message, Undecodable> {
    let relation = rest.u32()?;
    let mut kind = rest.u8()?;
    let old = old(kind, rest)?;
    if old.is_some() {
        kind = rest.u8()?;
    }
    match kind {
        b'N' => Ok(Message::Row { relation, row: Row::Update { old, new: tuple(rest)? } }),
        _ => Err(Undecodable::Unknown('U')),
    }
}

/// The old row that begins with `kind`, if one does.
fn old(kind: u8, rest: &mut Reader) -> Result<Option<Old>, Undecodable> {
    match kind {
        b'K' => tuple(rest).map(Old::Key).map(Some),
        b'O' => tuple(rest).map(Old::Whole).map(Some),
        _ => Ok(None),
    }
}

/// A time of Postgres: microseconds since the beginning of the year 2000.
fn moment(micros: u64) -> DateTime<Utc> {
    const UNIX_TO_2000: i64 = 946_684_800_000_000;
    let micros = micros.cast_signed().saturating_add(UNIX_TO_2000);
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn relation(rest: &mut Reader) -> Result<Relation, Undecodable> {
    let (id, schema, name) = (rest.u32()?, rest.text()?, rest.text()?);
    // How rows are identified; the columns say it, too.
    rest.u8()?;
    let mut columns = Vec::new();
    for _ in 0..rest.u16()? {
        let is_key = rest.u8()? & 1 != 0;
        let name = rest.text()?;
        let kind = rest.u32()?;
        // The modifier of the type.
        rest.u32()?;
        columns.push(Column { name, is_key, kind });
    }
    // Relations of `pg_catalog` come without their schema.
    let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
    Ok(Relation { id, schema, name, columns })
}

fn tuple(rest: &mut Reader) -> Result<Tuple, Undecodable> {
    let mut cells = Vec::new();
    for _ in 0..rest.u16()? {
        cells.push(match rest.u8()? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let length = usize::try_from(rest.u32()?).unwrap_or(usize::MAX);
                Cell::Text(rest.bytes(length)?)
            }
            kind => return Err(Undecodable::Unknown(kind.into())),
        });
    }
    Ok(cells)
}

struct Reader(Bytes);

impl Reader {
    fn u8(&mut self) -> Result<u8, Undecodable> {
        self.0.try_get_u8().map_err(|_| Undecodable::Short)
    }

    fn u16(&mut self) -> Result<u16, Undecodable> {
        self.0.try_get_u16().map_err(|_| Undecodable::Short)
    }

    fn u32(&mut self) -> Result<u32, Undecodable> {
        self.0.try_get_u32().map_err(|_| Undecodable::Short)
    }

    fn u64(&mut self) -> Result<u64, Undecodable> {
        self.0.try_get_u64().map_err(|_| Undecodable::Short)
    }

    fn bytes(&mut self, length: usize) -> Result<Bytes, Undecodable> {
        if self.0.len() < length { Err(Undecodable::Short) } else { Ok(self.0.split_to(length)) }
    }

    /// Text up to a zero.
    fn text(&mut self) -> Result<String, Undecodable> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Undecodable::Short)?;
        let text = self.bytes(end)?;
        self.0.advance(1);
        String::from_utf8(text.into()).map_err(|_| Undecodable::Encoding)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table_and_a_row() {
        let message =
            b"R\0\0\0\x07public\0t\0d\0\x02\x01id\0\0\0\0\x14\xff\xff\xff\xff\0a\0\0\0\0\x19\xff\xff\xff\xff";
        let column = |name: &str, is_key, kind| Column { name: name.to_owned(), is_key, kind };
        let columns = vec![column("id", true, 20), column("a", false, 25)];
        let expected = Relation { id: 7, schema: "public".into(), name: "t".into(), columns };
        assert_eq!(decode(&Bytes::from_static(message)), Ok(Message::Relation(expected)));
        let message = b"I\0\0\0\x07N\0\x03t\0\0\0\x0242nu";
        let new = vec![Cell::Text(Bytes::from_static(b"42")), Cell::Null, Cell::Unchanged];
        let row = Row::Insert { new };
        assert_eq!(row.size(), 2);
        assert_eq!(decode(&Bytes::from_static(message)), Ok(Message::Row { relation: 7, row }));
        assert_eq!(decode(&Bytes::from_static(b"I\0\0\0\x07N\0\x03t\0\0\0\x09")), Err(Undecodable::Short));
        assert_eq!(decode(&Bytes::from_static(b"C\0")), Ok(Message::Other));
    }

    #[test]
    fn a_transaction_has_the_time_of_its_commit() {
        let mut message = BytesMut::from(&b"B"[..]);
        message.put_u64(1);
        message.put_i64(1_500_000);
        message.put_u32(7);
        let Ok(Message::Begin(begun)) = decode(&message.freeze()) else { panic!("a beginning") };
        assert_eq!((begun.commit, begun.id), (Lsn(1), 7));
        assert_eq!(begun.at.to_rfc3339(), "2000-01-01T00:00:01.500+00:00");
    }

    fn write(tuple: &Tuple, to: &mut BytesMut) {
        to.put_u16(tuple.len().try_into().unwrap());
        for cell in tuple {
            match cell {
                Cell::Null => to.put_u8(b'n'),
                Cell::Unchanged => to.put_u8(b'u'),
                Cell::Text(bytes) => {
                    to.put_u8(b't');
                    to.put_u32(bytes.len().try_into().unwrap());
                    to.put_slice(bytes);
                }
            }
        }
    }

    fn tuples() -> impl Strategy<Value = Tuple> {
        let cell = prop_oneof![
            Just(Cell::Null),
            Just(Cell::Unchanged),
            "\\PC{0,9}".prop_map(|text| Cell::Text(Bytes::from(text)))
        ];
        prop::collection::vec(cell, 0..6)
    }

    fn olds() -> impl Strategy<Value = Old> {
        prop_oneof![tuples().prop_map(Old::Key), tuples().prop_map(Old::Whole)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(relation: u32, old in prop::option::of(olds()), new in prop::option::of(tuples())) {
            let mut message = BytesMut::new();
            let row = match (old, new) {
                (None, None) => return Ok(()),
                (None, Some(new)) if relation % 2 == 0 => Row::Insert { new },
                (old, Some(new)) => Row::Update { old, new },
                (Some(old), None) => Row::Delete { old },
            };
            let put_old = |old: &Old, message: &mut BytesMut| {
                let (Old::Key(tuple) | Old::Whole(tuple)) = old;
                message.put_u8(if matches!(old, Old::Key(_)) { b'K' } else { b'O' });
                write(tuple, message);
            };
            message.put_u8(match row {
                Row::Insert { .. } => b'I',
                Row::Update { .. } => b'U',
                Row::Delete { .. } => b'D',
            });
            message.put_u32(relation);
            if let Row::Update { old: Some(old), .. } | Row::Delete { old } = &row {
                put_old(old, &mut message);
            }
            if let Row::Insert { new } | Row::Update { new, .. } = &row {
                message.put_u8(b'N');
                write(new, &mut message);
            }
            let message = message.freeze();
            for end in 0..message.len() {
                prop_assert!(decode(&message.slice(..end)).is_err(), "nothing is read from a part");
            }
            prop_assert_eq!(decode(&message), Ok(Message::Row { relation, row }));
        }

        #[test]
        fn no_bytes_break_it(
            kind in prop::sample::select(b"BCRIUDTYOMX".to_vec()), rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = decode(&Bytes::from([&[kind], &rest[..]].concat()));
        }
    }
}
