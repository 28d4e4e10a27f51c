//! What instances say to each other, as bytes.
//!
//! A batch is any number of envelopes, one after the other. Numbers are big-endian; text and bytes follow their
//! length in four bytes. An envelope that cannot be read ends its batch: instances of different versions pass
//! over what they do not know.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chrono::DateTime;
use db::Lsn;

use crate::hub::Key;
use crate::hub::presence::Saying;
use crate::limit::Used;
use crate::protocol::message::Content;
use crate::protocol::outgoing::Shared;
use crate::wal::decode::Transaction;
use crate::wal::position::Position;

/// Something that concerns the other instances.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Envelope {
    /// I am new, or I have missed something: tell me who is present. What I know follows.
    Hello,
    /// A message for all who are on a topic.
    Message { key: Key, message: Shared },
    /// A channel is present, or says something else than before.
    Present { key: Key, entry: Entry },
    /// A channel is present no longer.
    Absent { key: Key, name: Box<str>, member: u64 },
    /// All who are present at my side follow.
    Census,
    /// Everybody who is present on one topic.
    Topic { key: Key, entries: Vec<Entry> },
    /// That was all.
    Counted,
    /// I am going away.
    Bye,
    /// I read the stream of changes: all rows behind a position follow, from this number on.
    Stream { stream: u64, history: u32, number: u64, behind: Position },
    /// A row of it.
    Row(Row),
    /// I read that stream no longer.
    Broken { stream: u64 },
    /// So much of the limits is used at my side.
    Used(Used),
}

/// A row of the stream of changes, as `pgoutput` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Which stream: later ones are larger.
    pub(crate) stream: u64,
    /// Counts the rows of it.
    pub(crate) number: u64,
    pub(crate) transaction: Transaction,
    pub(crate) position: Position,
    /// Which description of its table is meant.
    pub(crate) version: u64,
    /// The message that describes its table.
    pub(crate) relation: Bytes,
    /// The message.
    pub(crate) row: Bytes,
}

/// A presence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: Box<str>,
    /// The channel, as its instance counts.
    pub(crate) member: u64,
    pub(crate) saying: Saying,
}

const HELLO: u8 = 1;
const TEXT: u8 = 2;
const JSON: u8 = 3;
const BINARY: u8 = 4;
const PRESENT: u8 = 5;
const ABSENT: u8 = 6;
const CENSUS: u8 = 7;
const TOPIC: u8 = 8;
const COUNTED: u8 = 9;
const BYE: u8 = 10;
const STREAM: u8 = 11;
const ROW: u8 = 12;
const BROKEN: u8 = 13;
const USED: u8 = 14;

impl Envelope {
    /// Roughly how many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        let entry = |entry: &Entry| 64 + entry.name.len() + entry.saying.payload.len();
        64 + match self {
            Self::Message { key, message } => key.name.len() + message.len(),
            Self::Present { key, entry: one } => key.name.len() + entry(one),
            Self::Topic { key, entries } => key.name.len() + entries.iter().map(entry).sum::<usize>(),
            Self::Row(row) => row.relation.len() + row.row.len(),
            _ => 0,
        }
    }

    /// Adds it to a batch.
    pub(crate) fn write(&self, batch: &mut BytesMut) {
        match self {
            Self::Hello => batch.put_u8(HELLO),
            Self::Census => batch.put_u8(CENSUS),
            Self::Counted => batch.put_u8(COUNTED),
            Self::Bye => batch.put_u8(BYE),
            Self::Used(used) => {
                batch.put_u8(USED);
                for number in [used.sockets, used.joins, used.events, used.presence] {
                    batch.put_u64(number);
                }
            }
            Self::Message { key, message: Shared::Event { payload, .. } } => {
                batch.put_u8(TEXT);
                put_key(batch, key);
                put(batch, payload);
            }
            Self::Message { key, message: Shared::Broadcast { event, metadata, content } } => {
                let (kind, bytes) = match content {
                    Content::Json(bytes) => (JSON, bytes),
                    Content::Binary(bytes) => (BINARY, bytes),
                };
                batch.put_u8(kind);
                put_key(batch, key);
                put(batch, event.as_bytes());
                put(batch, metadata);
                put(batch, bytes);
            }
            Self::Present { key, entry } => {
                batch.put_u8(PRESENT);
                put_key(batch, key);
                put_entry(batch, entry);
            }
            Self::Absent { key, name, member } => {
                batch.put_u8(ABSENT);
                put_key(batch, key);
                put(batch, name.as_bytes());
                batch.put_u64(*member);
            }
            Self::Stream { stream, history, number, behind } => {
                batch.put_u8(STREAM);
                batch.put_u64(*stream);
                batch.put_u32(*history);
                batch.put_u64(*number);
                put_position(batch, *behind);
            }
            Self::Row(row) => {
                batch.put_u8(ROW);
                batch.put_u64(row.stream);
                batch.put_u64(row.number);
                put_position(batch, row.position);
                batch.put_i64(row.transaction.at.timestamp_micros());
                batch.put_u32(row.transaction.id);
                batch.put_u64(row.version);
                put(batch, &row.relation);
                put(batch, &row.row);
            }
            Self::Broken { stream } => {
                batch.put_u8(BROKEN);
                batch.put_u64(*stream);
            }
            Self::Topic { key, entries } => {
                batch.put_u8(TOPIC);
                put_key(batch, key);
                batch.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                entries.iter().for_each(|entry| put_entry(batch, entry));
            }
        }
    }
}

fn put(batch: &mut BytesMut, bytes: &[u8]) {
    batch.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    batch.put_slice(bytes);
}

fn put_position(batch: &mut BytesMut, position: Position) {
    batch.put_u64(position.commit.0);
    batch.put_u32(position.number);
}

fn put_key(batch: &mut BytesMut, key: &Key) {
    batch.put_u8(key.private.into());
    put(batch, key.name.as_bytes());
}

fn put_entry(batch: &mut BytesMut, entry: &Entry) {
    put(batch, entry.name.as_bytes());
    batch.put_u64(entry.member);
    put(batch, entry.saying.reference.as_bytes());
    put(batch, entry.saying.previous.as_deref().unwrap_or_default().as_bytes());
    put(batch, entry.saying.payload.as_bytes());
}

/// Cuts an envelope off the front of a batch; none at its end, and none if it cannot be read.
pub(crate) fn read(batch: &mut Bytes) -> Option<Envelope> {
    Some(match batch.try_get_u8().ok()? {
        HELLO => Envelope::Hello,
        CENSUS => Envelope::Census,
        COUNTED => Envelope::Counted,
        BYE => Envelope::Bye,
        TEXT => {
            let key = key(batch)?;
            let message = Shared::Event { event: "broadcast", payload: bytes(batch)? };
            Envelope::Message { key, message }
        }
        kind @ (JSON | BINARY) => {
            let (key, event, metadata, content) = (key(batch)?, text(batch)?, bytes(batch)?, bytes(batch)?);
            let content = if kind == JSON { Content::Json(content) } else { Content::Binary(content) };
            Envelope::Message { key, message: Shared::Broadcast { event, metadata, content } }
        }
        PRESENT => Envelope::Present { key: key(batch)?, entry: entry(batch)? },
        ABSENT => {
            let (key, name) = (key(batch)?, text(batch)?);
            Envelope::Absent { key, name, member: batch.try_get_u64().ok()? }
        }
        TOPIC => {
            let (key, number) = (key(batch)?, batch.try_get_u32().ok()?);
            let entries = (0..number).map(|_| entry(batch)).collect::<Option<Vec<_>>>()?;
            Envelope::Topic { key, entries }
        }
        STREAM => {
            let (stream, history) = (batch.try_get_u64().ok()?, batch.try_get_u32().ok()?);
            let number = batch.try_get_u64().ok()?;
            Envelope::Stream { stream, history, number, behind: position(batch)? }
        }
        ROW => Envelope::Row(row(batch)?),
        BROKEN => Envelope::Broken { stream: batch.try_get_u64().ok()? },
        USED => {
            let mut number = || batch.try_get_u64().ok();
            Envelope::Used(Used {
                sockets: number()?,
                joins: number()?,
                events: number()?,
                presence: number()?,
            })
        }
        _ => return None,
    })
}

fn row(batch: &mut Bytes) -> Option<Row> {
    let (stream, number) = (batch.try_get_u64().ok()?, batch.try_get_u64().ok()?);
    let position = position(batch)?;
    let at = DateTime::from_timestamp_micros(batch.try_get_i64().ok()?)?;
    let transaction = Transaction { commit: position.commit, at, id: batch.try_get_u32().ok()? };
    let version = batch.try_get_u64().ok()?;
    Some(Row { stream, number, transaction, position, version, relation: bytes(batch)?, row: bytes(batch)? })
}

fn position(batch: &mut Bytes) -> Option<Position> {
    let commit = Lsn(batch.try_get_u64().ok()?);
    Some(Position { commit, number: batch.try_get_u32().ok()? })
}

fn bytes(batch: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(batch.try_get_u32().ok()?).ok()?;
    (length <= batch.len()).then(|| batch.split_to(length))
}

fn text(batch: &mut Bytes) -> Option<Box<str>> {
    std::str::from_utf8(&bytes(batch)?).ok().map(Box::from)
}

fn key(batch: &mut Bytes) -> Option<Key> {
    let private = batch.try_get_u8().ok()? != 0;
    Some(Key { private, name: Arc::from(text(batch)?) })
}

fn entry(batch: &mut Bytes) -> Option<Entry> {
    let (name, member, reference) = (text(batch)?, batch.try_get_u64().ok()?, text(batch)?);
    let previous = Some(text(batch)?).filter(|previous| !previous.is_empty());
    Some(Entry { name, member, saying: Saying { reference, previous, payload: text(batch)? } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let key = Key { private: true, name: "room".into() };
        let saying = |previous: Option<&str>| Saying {
            reference: "r".into(),
            previous: previous.map(Box::from),
            payload: r#"{"a":1}"#.into(),
        };
        let entry = |previous| Entry { name: "k".into(), member: 7, saying: saying(previous) };
        let position = Position { commit: Lsn(1 << 40), number: 2 };
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap_or_default();
        let broadcast = |content| Shared::Broadcast { event: "e".into(), metadata: "{}".into(), content };
        let message = |message| Envelope::Message { key: key.clone(), message };
        let all = [
            Envelope::Hello,
            message(Shared::Event { event: "broadcast", payload: "{}".into() }),
            message(broadcast(Content::Json("1".into()))),
            message(broadcast(Content::Binary(Bytes::from_static(&[0, 255])))),
            Envelope::Present { key: key.clone(), entry: entry(Some("p")) },
            Envelope::Absent { key: key.clone(), name: "k".into(), member: 7 },
            Envelope::Census,
            Envelope::Topic { key, entries: vec![entry(None), entry(Some("p"))] },
            Envelope::Counted,
            Envelope::Used(Used { sockets: 1, joins: 2, events: 3, presence: 4 }),
            Envelope::Bye,
            Envelope::Stream { stream: 7, history: 9, number: 8, behind: position },
            Envelope::Row(Row {
                stream: 7,
                number: 8,
                transaction: Transaction { commit: position.commit, at, id: 5 },
                position,
                version: 3,
                relation: "R".into(),
                row: "I".into(),
            }),
            Envelope::Broken { stream: 7 },
        ];
        let mut batch = BytesMut::new();
        all.iter().for_each(|envelope| envelope.write(&mut batch));
        let mut batch = batch.freeze();
        let read: Vec<_> = std::iter::from_fn(|| read(&mut batch)).collect();
        assert_eq!(read, all);
        assert!(batch.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut batch = Bytes::from(bytes);
            while read(&mut batch).is_some() {}
        }
    }
}
