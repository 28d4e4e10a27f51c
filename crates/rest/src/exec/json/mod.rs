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

/// How a column does.
#[derive(Clone, Copy)]
enum Form {
    One(Kind),
    Array(Kind),
}

/// The version that Postgres writes before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

impl Form {
    /// `utc` says that the session's time zone is UTC.
    fn of(column: &Column, utc: bool) -> Option<Self> {
        let kind = Type::from_oid(column.kind)?;
        match kind.kind() {
            db::types::Kind::Array(element) => Kind::of(element, utc).map(Self::Array),
            _ => Kind::of(&kind, utc).map(Self::One),
        }
    }

    fn write(self, value: &[u8], out: &mut BytesMut) -> Option<()> {
        match self {
            Self::One(kind) => kind.write(value, out),
            Self::Array(kind) => elements(kind, value, out),
        }
    }
}

/// The elements of an array; none if it has more than one dimension.
fn elements(kind: Kind, value: &[u8], out: &mut BytesMut) -> Option<()> {
    let (dimensions, rest) = value.split_first_chunk::<4>()?;
    // Behind the dimensions: whether there are nulls, and the type of the elements.
    let (_, rest) = rest.split_at_checked(8)?;
    let mut rest = match i32::from_be_bytes(*dimensions) {
        0 => rest,
        // The number of elements and the index of the first.
        1 => rest.split_at_checked(8)?.1,
        _ => return None,
    };
    out.put_u8(b'[');
    let mut separator: &[u8] = b"";
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        out.put_slice(std::mem::replace(&mut separator, b","));
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (element, behind) = behind.split_at_checked(length.unwrap_or_default())?;
        rest = behind;
        match length {
            Some(_) => kind.write(element, out)?,
            None => out.put_slice(b"null"),
        }
    }
    out.put_u8(b']');
    Some(())
}

impl Kind {
    fn of(kind: &Type, utc: bool) -> Option<Self> {
        Some(match *kind {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::NUMERIC => Self::Numeric,
            Type::DATE => Self::Date,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ if utc => Self::TimestampTz,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR => Self::Text,
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
    let form = |column: &Column| Some((Form::of(column, utc)?, key(&column.name)));
    let forms: Vec<(Form, Vec<u8>)> = columns.iter().map(form).collect::<Option<_>>()?;
    let size: usize = rows.iter().map(Record::size).sum();
    let keys: usize = forms.iter().map(|(_, key)| key.len() + 4).sum();
    let mut out = BytesMut::with_capacity(size + rows.len() * (keys + 4) + 2);
    out.put_u8(b'[');
    for (index, row) in rows.iter().enumerate() {
        out.put_slice(if index > 0 { b", \n {" } else { b"{" });
        for (index, ((form, key), value)) in forms.iter().zip(row.columns()).enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            out.put_slice(key);
            match value {
                Some(value) => form.write(value, &mut out)?,
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
