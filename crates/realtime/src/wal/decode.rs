//! Messages of `pgoutput`, version 1 of its protocol, as values.
//!
//! A row is a list of columns in the order in which its relation was described. Values are texts, as Postgres
//! prints them.

use bytes::{Buf, Bytes};
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

/// A row.
pub(crate) type Tuple = Vec<Cell>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple,
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
        b'R' => relation(&mut rest).map(Message::Relation),
        b'I' => {
            let relation = rest.u32()?;
            match rest.u8()? {
                b'N' => Ok(Message::Insert { relation, new: tuple(&mut rest)? }),
                _ => Err(Undecodable::Unknown('I')),
            }
        }
        _ => Ok(Message::Other),
    }
}

fn relation(rest: &mut Reader) -> Result<Relation, Undecodable> {
    let (id, schema, name) = (rest.u32()?, rest.text()?, rest.text()?);
    // Which columns make up the identity.
    rest.u8()?;
    let mut columns = Vec::new();
    for _ in 0..rest.u16()? {
        // Flags before the name; type and modifier behind it.
        rest.u8()?;
        let name = rest.text()?;
        rest.u32()?;
        rest.u32()?;
        columns.push(Column { name });
    }
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

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table_and_a_row() {
        let message =
            b"R\0\0\0\x07public\0t\0d\0\x02\x01id\0\0\0\0\x14\xff\xff\xff\xff\0a\0\0\0\0\x19\xff\xff\xff\xff";
        let columns = ["id", "a"].map(|name| Column { name: name.to_owned() }).into();
        let expected = Relation { id: 7, schema: "public".into(), name: "t".into(), columns };
        assert_eq!(decode(&Bytes::from_static(message)), Ok(Message::Relation(expected)));
        let message = b"I\0\0\0\x07N\0\x03t\0\0\0\x0242nu";
        let new = vec![Cell::Text(Bytes::from_static(b"42")), Cell::Null, Cell::Unchanged];
        assert_eq!(decode(&Bytes::from_static(message)), Ok(Message::Insert { relation: 7, new }));
        assert_eq!(decode(&Bytes::from_static(b"I\0\0\0\x07N\0\x03t\0\0\0\x09")), Err(Undecodable::Short));
        assert_eq!(decode(&Bytes::from_static(b"C\0")), Ok(Message::Other));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(
            kind in prop::sample::select(b"RIX".to_vec()), rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = decode(&Bytes::from([&[kind], &rest[..]].concat()));
        }
    }
}
