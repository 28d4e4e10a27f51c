//! A parameter sent as text, whatever type Postgres infers for it.

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// A value that Postgres parses itself, as it would an untyped literal.
///
/// The data API binds filter values like this: the column decides the type, and text that does
/// not fit it is refused by Postgres with its own message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// SQL null.
    Null,
    /// A short value.
    Value(String),
    /// A request body, shared and not copied until it is sent.
    Body(Bytes),
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Value(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Value(text)
    }
}

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Value(text) => out.extend_from_slice(text.as_bytes()),
            Self::Body(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
