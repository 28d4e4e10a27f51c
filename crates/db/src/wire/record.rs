//! A row as it came over the wire, in Postgres' binary format.

use std::sync::Arc;

use bytes::Bytes;
use postgres_protocol::message::backend::DataRowBody;
use postgres_protocol::types::array_from_sql;

use crate::Error;

/// A row. It knows its bytes and not their types: who wrote the statement does.
#[derive(Clone, Debug)]
pub struct Record {
    /// For each column its length (negative: null) and its bytes.
    columns: Bytes,
}

/// What the server says of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Box<str>,
    /// The OID of its type, domains resolved.
    pub kind: u32,
}

/// The columns of a statement, in order.
pub type Columns = Arc<[Column]>;

/// A type that a column can be read as.
pub trait Value<'a>: Sized {
    /// The value, unless the bytes are not those of one.
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self>;
}

impl<'a, T: Value<'a>> Value<'a> for Option<T> {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        match bytes {
            None => Some(None),
            present => T::from_wire(present).map(Some),
        }
    }
}

impl<'a> Value<'a> for &'a [u8] {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        bytes
    }
}

impl<'a> Value<'a> for &'a str {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        std::str::from_utf8(bytes?).ok()
    }
}

impl<'a> Value<'a> for String {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        <&str>::from_wire(bytes).map(str::to_owned)
    }
}

impl<'a> Value<'a> for i32 {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        Some(Self::from_be_bytes(bytes?.try_into().ok()?))
    }
}

impl<'a> Value<'a> for i64 {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        Some(Self::from_be_bytes(bytes?.try_into().ok()?))
    }
}

impl<'a> Value<'a> for bool {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        match bytes? {
            [byte] => Some(*byte != 0),
            _ => None,
        }
    }
}

impl<'a> Value<'a> for Vec<String> {
    fn from_wire(bytes: Option<&'a [u8]>) -> Option<Self> {
        use postgres_protocol::types::text_from_sql;
        let mut values = array_from_sql(bytes?).ok()?.values();
        let mut all = Self::new();
        while let Some(value) = fallible_iterator::FallibleIterator::next(&mut values).ok()? {
            all.push(text_from_sql(value?).ok()?.to_owned());
        }
        Some(all)
    }
}

impl Record {
    pub(super) fn new(body: &DataRowBody) -> Self {
        Self { columns: body.buffer_bytes().clone() }
    }

    /// A row of any bytes.
    #[cfg(fuzzing)]
    #[must_use]
    pub fn from_wire(columns: Bytes) -> Self {
        Self { columns }
    }

    /// The columns in order, null where there is no value.
    pub fn columns(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = &self.columns[..];
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, behind) = behind.split_at_checked(length.unwrap_or_default())?;
            rest = behind;
            Some(length.map(|_| value))
        })
    }

    /// How many columns there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns().count()
    }

    /// A value.
    ///
    /// # Errors
    ///
    /// [`Error::Client`] if there is no such column or its bytes are of another type.
    pub fn get<'a, T: Value<'a>>(&'a self, index: usize) -> Result<T, Error> {
        let value = self.columns().nth(index).and_then(T::from_wire);
        value.ok_or_else(|| Error::Client(format!("column {index} is not what the statement promised")))
    }

    /// The bytes of a value, shared with the row.
    ///
    /// # Errors
    ///
    /// [`Error::Client`] if there is no such column.
    pub fn bytes(&self, index: usize) -> Result<Option<Bytes>, Error> {
        Ok(self.get::<Option<&[u8]>>(index)?.map(|value| self.columns.slice_ref(value)))
    }

    /// Bytes of the whole row.
    #[must_use]
    pub fn size(&self) -> usize {
        self.columns.len()
    }
}
