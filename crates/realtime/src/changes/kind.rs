//! Types of columns, as far as their values must be understood.

use std::collections::HashMap;

/// How values of a type are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// Whole numbers of any size.
    Integer,
    /// Numbers that may be none (`NaN`) or endless.
    Number,
    /// Whatever is shown as it is printed.
    Text,
    Uuid,
    /// One of a few words.
    Enum,
    Json,
    Bytes,
    /// Times and dates, of which only the way of writing differs.
    Moment,
    Array {
        element: u32,
        delimiter: char,
    },
    /// A row: names and types of its columns.
    Row(Vec<(String, u32)>),
    Domain {
        base: u32,
    },
    /// An extension says how its values become JSON.
    Cast,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) name: String,
    /// Its name in SQL, with its schema.
    pub(crate) sql: String,
    pub(crate) kind: Kind,
}

/// Types by their OID.
#[derive(Debug, Default)]
pub(crate) struct Types(HashMap<u32, Type>);

/// Domains over domains at most.
const DEEPEST: usize = 16;

impl Types {
    pub(crate) fn put(&mut self, oid: u32, kind: Type) {
        self.0.insert(oid, kind);
    }

    pub(crate) fn get(&self, oid: u32) -> Option<&Type> {
        self.0.get(&oid)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The type itself, or what a domain is about.
    pub(crate) fn base(&self, oid: u32) -> u32 {
        let mut oid = oid;
        for _ in 0..DEEPEST {
            match self.0.get(&oid).map(|found| &found.kind) {
                Some(Kind::Domain { base }) => oid = *base,
                _ => break,
            }
        }
        oid
    }

    /// How values of a type are read, those of domains as those of their base.
    pub(crate) fn kind(&self, oid: u32) -> &Kind {
        self.0.get(&self.base(oid)).map_or(&Kind::Text, |found| &found.kind)
    }
}

/// The kind of a type of Postgres' own that is no array, row, domain or enumeration.
pub(crate) fn built_in(oid: u32) -> Kind {
    match oid {
        16 => Kind::Bool,
        20 | 21 | 23 => Kind::Integer,
        700 | 701 | 1700 => Kind::Number,
        17 => Kind::Bytes,
        114 | 3802 => Kind::Json,
        1082 | 1114 | 1184 => Kind::Moment,
        2950 => Kind::Uuid,
        _ => Kind::Text,
    }
}
