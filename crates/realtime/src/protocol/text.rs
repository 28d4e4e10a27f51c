//! The JSON encodings: objects (version 1) and arrays (version 2).
//!
//! Payloads are cut out of the frame, not built anew, so what a client wrote is what others read.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Version;
use super::message::{Body, Malformed, Message, Ref};

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    r#ref: Value,
    #[serde(default)]
    join_ref: Value,
}

/// `[join_ref, ref, topic, event, payload, …]`; whatever follows is ignored.
struct Array<'a>(Object<'a>);

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Array<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of five elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Array<'de>, A::Error> {
                let short = || serde::de::Error::custom("too few elements");
                let join_ref = seq.next_element()?.ok_or_else(short)?;
                let r#ref = seq.next_element()?.ok_or_else(short)?;
                let topic = seq.next_element::<Text<'de>>()?.ok_or_else(short)?.0;
                let event = seq.next_element::<Text<'de>>()?.ok_or_else(short)?.0;
                let payload = seq.next_element()?.ok_or_else(short)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Array(Object { topic, event, payload, r#ref, join_ref }))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// Borrowed where nothing is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a text frame.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn decode(version: Version, frame: &Bytes) -> Result<Message, Malformed> {
    let text = std::str::from_utf8(frame).map_err(|_| Malformed::Encoding)?;
    let parts: Object<'_> = match version {
        // An array would be read as the object's members in their order.
        Version::V1 if !text.trim_ascii_start().starts_with('{') => return Err(Malformed::Shape),
        Version::V1 => serde_json::from_str(text).map_err(|_| Malformed::Shape)?,
        Version::V2 => serde_json::from_str::<Array<'_>>(text).map_err(|_| Malformed::Shape)?.0,
    };
    Ok(Message {
        join_ref: Ref::json(&parts.join_ref)?,
        reference: Ref::json(&parts.r#ref)?,
        topic: parts.topic.into(),
        body: Body::Event {
            event: parts.event.into(),
            payload: frame.slice_ref(parts.payload.get().as_bytes()),
        },
    })
}

/// Writes a message of the server; `payload` is JSON text.
pub(crate) fn encode(
    version: Version,
    join_ref: &str,
    reference: &str,
    topic: &str,
    event: &str,
    payload: &str,
) -> String {
    let (topic, event) = (quoted(topic), quoted(event));
    match version {
        Version::V1 => {
            format!(r#"{{"topic":{topic},"event":{event},"payload":{payload},"ref":{reference}}}"#)
        }
        Version::V2 => format!("[{join_ref},{reference},{topic},{event},{payload}]"),
    }
}

/// Text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    // Text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}
