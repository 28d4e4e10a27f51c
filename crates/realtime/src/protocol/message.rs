//! What a client sends.

use bytes::Bytes;
use serde_json::Value;
use thiserror::Error;

/// A frame that says nothing we understand. It is dropped, and the socket goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    #[error("not UTF-8")]
    Encoding,
    #[error("not JSON, or not of the shape of a message")]
    Shape,
    #[error("a reference that is neither short text nor number")]
    Reference,
    #[error("a binary frame shorter than it says")]
    Short,
    #[error("a binary frame of an unknown kind")]
    Kind,
}

/// Bytes of a reference at most: a channel keeps that of its join. Binary frames have no room for more either.
const LONGEST: usize = 255;

/// A reference as JSON: what the client sent is echoed, a number as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref(Box<str>);

impl Ref {
    /// A reference that is text.
    pub(crate) fn text(text: &str) -> Self {
        Self(Value::from(text).to_string().into())
    }

    /// What JSON says: null is no reference.
    pub(crate) fn json(value: &Value) -> Result<Option<Self>, Malformed> {
        match value {
            Value::Null => Ok(None),
            // Spelled our way, so that references compare equal however they were escaped.
            Value::String(text) if text.len() <= LONGEST => Ok(Some(Self::text(text))),
            Value::Number(number) => Ok(Some(Self(number.to_string().into()))),
            _ => Err(Malformed::Reference),
        }
    }

    /// The JSON text.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }
}

/// A reference in JSON, or null.
pub(crate) fn json_of(reference: Option<&Ref>) -> &str {
    reference.map_or("null", Ref::as_json)
}

/// The payload of a user broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// JSON text, forwarded byte for byte and not looked at.
    Json(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Content {
    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// An event with its payload, JSON text as it was sent.
    Event { event: Box<str>, payload: Bytes },
    /// A broadcast that came as a binary frame.
    Broadcast { event: Box<str>, metadata: Bytes, content: Content },
}

impl Body {
    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Event { payload, .. } => payload.len(),
            Self::Broadcast { content, .. } => content.len(),
        }
    }
}

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The join that the client believes in.
    pub(crate) join_ref: Option<Ref>,
    /// What an answer will name.
    pub(crate) reference: Option<Ref>,
    /// The topic, with its prefix.
    pub(crate) topic: Box<str>,
    /// The rest.
    pub(crate) body: Body,
}
