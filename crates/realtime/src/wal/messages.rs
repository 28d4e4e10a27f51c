//! Rows of `realtime.messages`: each is a broadcast, as `realtime.send` and `realtime.send_binary` write them.

use bytes::Bytes;
use uuid::Uuid;

use super::decode::{Cell, Relation, Tuple};
use crate::hub::Key;
use crate::protocol::message::Content;
use crate::protocol::outgoing::Shared;
use crate::service::Service;

/// A row that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    id: Uuid,
    key: Key,
    event: String,
    content: Content,
}

/// Whether rows of this table are messages: it is one of the partitions.
pub(crate) fn is_about(relation: &Relation) -> bool {
    relation.schema == "realtime" && (relation.name == "messages" || relation.name.starts_with("messages_"))
}

/// Sends a row to whom it concerns.
pub(crate) fn send(service: &Service, relation: &Relation, tuple: &Tuple) {
    let row = match read(relation, tuple) {
        Ok(row) => row,
        Err(missing) => return dropped(service, &format!("its {missing} is missing or unusable")),
    };
    if row.content.len() > service.config().max_payload.get() {
        return dropped(service, "it is too large");
    }
    if service.has_too_many_events() {
        return dropped(service, "there are too many messages");
    }
    let metadata = Bytes::from(format!(r#"{{"id":"{}"}}"#, row.id));
    let message = Shared::Broadcast { event: row.event.into(), metadata, content: row.content };
    let delivered = service.hub.broadcast_row(&row.key, &message, row.id);
    service.counters.events.add(service.now(), 1 + delivered);
}

fn dropped(service: &Service, reason: &str) {
    service.metrics.error("UnableToBroadcastChanges");
    tracing::warn!(reason, error_code = "UnableToBroadcastChanges", "a message of the database was not sent");
}

fn read(relation: &Relation, tuple: &Tuple) -> Result<Row, &'static str> {
    let bytes = |name: &str| {
        let index = relation.columns.iter().position(|column| column.name == name)?;
        match tuple.get(index)? {
            Cell::Text(bytes) => Some(bytes.clone()),
            Cell::Null | Cell::Unchanged => None,
        }
    };
    let text = |name: &'static str| {
        bytes(name)
            .and_then(|bytes| String::from_utf8(bytes.into()).ok())
            .filter(|text| !text.is_empty())
            .ok_or(name)
    };
    let id = text("id")?.parse().map_err(|_| "id")?;
    let private = text("private")? == "t";
    let content = match (bytes("payload"), bytes("binary_payload")) {
        (Some(json), None) => Content::Json(json),
        (None, Some(hex)) => Content::Binary(unhexed(&hex).ok_or("binary_payload")?),
        _ => return Err("payload"),
    };
    Ok(Row { id, key: Key { private, name: text("topic")?.into() }, event: text("event")?, content })
}

/// Bytes as Postgres prints them.
pub(crate) fn unhexed(text: &[u8]) -> Option<Bytes> {
    let digits = text.strip_prefix(br"\x")?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::decode::Column;
    use super::*;

    fn relation(columns: &[&str]) -> Relation {
        let columns =
            columns.iter().map(|name| Column { name: (*name).to_owned(), is_key: false, kind: 25 }).collect();
        Relation { id: 1, schema: "realtime".into(), name: "messages_2026_01_01".into(), columns }
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let relation = relation(&["binary_payload", "id", "topic", "event", "private", "payload"]);
        assert!(is_about(&relation));
        let id = Uuid::from_u128(7);
        let cell = |text: &str| Cell::Text(Bytes::copy_from_slice(text.as_bytes()));
        let mut tuple =
            vec![Cell::Null, cell(&id.to_string()), cell("t"), cell("e"), cell("t"), cell(r#"{"a": 1}"#)];
        let mut expected = Row {
            id,
            key: Key { private: true, name: "t".into() },
            event: "e".into(),
            content: Content::Json(Bytes::from_static(br#"{"a": 1}"#)),
        };
        assert_eq!(read(&relation, &tuple), Ok(expected.clone()));
        tuple[0] = cell(r"\x00ff");
        assert_eq!(read(&relation, &tuple), Err("payload"));
        tuple[5] = Cell::Null;
        expected.content = Content::Binary(Bytes::from_static(&[0, 255]));
        assert_eq!(read(&relation, &tuple), Ok(expected));
        tuple[3] = Cell::Null;
        assert_eq!(read(&relation, &tuple), Err("event"), "rows of probes and of other writers are not sent");
    }

    #[test]
    fn bytes_as_postgres_prints_them() {
        assert_eq!(unhexed(br"\x"), Some(Bytes::new()));
        for odd in [&br"\x0"[..], br"\x0g", b"00", b""] {
            assert_eq!(unhexed(odd), None);
        }
    }
}
