//! Plain rows as JSON, byte for byte as Postgres' `json_agg` writes them.
//!
//! Of the session's settings only the time zone has a say in that.

mod number;
mod time;

use bytes::{BufMut, Bytes, BytesMut};
use db::types::Type;
use db::{Column, Record};

/// How the bytes of a value become JSON.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Numeric,
    Date,
    Timestamp,
    TimestampTz,
    Text,
    Uuid,
    Json,
    Jsonb,
}

/// The version that Postgres writes before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

impl Kind {
    fn of(column: &Column, utc: bool) -> Option<Self> {
        Some(match Type::from_oid(column.kind)? {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::NUMERIC => Self::Numeric,
            Type::DATE => Self::Date,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ if utc => Self::TimestampTz,
            Type::TEXT | Type::VARCHAR => Self::Text,
            Type::UUID => Self::Uuid,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            _ => return None,
        })
    }

    /// None if the bytes are not those of such a value, or of a time that only Postgres can write.
    fn write(self, value: &[u8], out: &mut BytesMut) -> Option<()> {
        match self {
            Self::Bool => out.put_slice(if value == [0] { b"false" } else { b"true" }),
            Self::Int2 => integer(i16::from_be_bytes(value.try_into().ok()?), out),
            Self::Int4 => integer(i32::from_be_bytes(value.try_into().ok()?), out),
            Self::Int8 => integer(i64::from_be_bytes(value.try_into().ok()?), out),
            Self::Numeric => number::write(value, out)?,
            Self::Date => time::date(value, out)?,
            Self::Timestamp => time::timestamp(value, out)?,
            Self::TimestampTz => time::timestamp_in_utc(value, out)?,
            Self::Text => text(value, out),
            Self::Uuid => {
                let uuid = uuid::Uuid::from_slice(value).ok()?;
                out.put_u8(b'"');
                out.put_slice(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes());
                out.put_u8(b'"');
            }
            Self::Json => out.put_slice(value),
            Self::Jsonb => out.put_slice(value.strip_prefix(&[JSONB_VERSION])?),
        }
        Some(())
    }
}

/// The rows as one array; none if there is a type or a time that is not written here.
/// `utc` says that the session's time zone is UTC.
pub(super) fn array(columns: &[Column], rows: &[Record], utc: bool) -> Option<Bytes> {
    let kind = |column: &Column| Some((Kind::of(column, utc)?, key(&column.name)));
    let kinds: Vec<(Kind, Vec<u8>)> = columns.iter().map(kind).collect::<Option<_>>()?;
    let size: usize = rows.iter().map(Record::size).sum();
    let keys: usize = kinds.iter().map(|(_, key)| key.len() + 4).sum();
    let mut out = BytesMut::with_capacity(size + rows.len() * (keys + 4) + 2);
    out.put_u8(b'[');
    for (index, row) in rows.iter().enumerate() {
        out.put_slice(if index > 0 { b", \n {" } else { b"{" });
        for (index, ((kind, key), value)) in kinds.iter().zip(row.columns()).enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            out.put_slice(key);
            match value {
                Some(value) => kind.write(value, &mut out)?,
                None => out.put_slice(b"null"),
            }
        }
        out.put_u8(b'}');
    }
    out.put_u8(b']');
    Some(out.freeze())
}

/// `"name":`
fn key(name: &str) -> Vec<u8> {
    let mut key = BytesMut::with_capacity(name.len() + 3);
    text(name.as_bytes(), &mut key);
    key.put_u8(b':');
    key.to_vec()
}

fn integer(value: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A string as Postgres' `escape_json` writes it: what need not be escaped is not.
fn text(value: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        let (plain, behind) = rest.split_at(at);
        out.put_slice(plain);
        let Some((byte, behind)) = behind.split_first() else { break };
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0c => out.put_slice(b"\\f"),
            other => out.put_slice(format!("\\u{other:04x}").as_bytes()),
        }
        rest = behind;
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut out = BytesMut::new();
        text(value.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn strings_are_escaped_as_postgres_does() {
        assert_eq!(written(""), r#""""#);
        assert_eq!(written("plain / ü \u{7f}"), "\"plain / ü \u{7f}\"");
        assert_eq!(written("\"a\\b\"\n\r\t\u{8}\u{c}\u{1}\u{1f}"), r#""\"a\\b\"\n\r\t\b\f\u0001\u001f""#);
    }
}
