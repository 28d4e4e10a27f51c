//! Bodies: checked once, kept as raw bytes, never re-serialised.

use std::collections::BTreeSet;

use bytes::Bytes;

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// JSON that was scanned: an object, or an array of objects that all have `keys`.
    Json {
        /// The JSON text.
        raw: Bytes,
        /// The keys of every object.
        keys: BTreeSet<String>,
    },
    /// JSON that was not looked at, because `columns` says which keys matter.
    RawJson(Bytes),
    /// Arguments of a function from a form; a repeated key is a variadic argument.
    Form(Vec<(String, String)>),
    /// The one unnamed argument of a function: text, xml or bytea.
    Raw(Bytes),
}
