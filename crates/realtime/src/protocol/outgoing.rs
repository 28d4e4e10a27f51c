//! What the server sends, encoded once for each version and shared by all who receive it.
//!
//! What is shared is the finished WebSocket frame: frames of a server are not masked, so the same
//! bytes go to everybody.

use std::cell::OnceCell;

use bytes::{BufMut, Bytes, BytesMut};

use super::Version;
use super::binary;
use super::message::{Content, Ref, json_of};
use super::text::{encode, quoted};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

/// A finished WebSocket frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame(Bytes);

impl Frame {
    fn new(opcode: u8, payload: &[u8]) -> Self {
        let length = payload.len();
        let mut frame = BytesMut::with_capacity(length + 10);
        frame.put_u8(0x80 | opcode);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => frame.put_u8(short),
            (_, Ok(medium)) => {
                frame.put_u8(126);
                frame.put_u16(medium);
            }
            _ => {
                frame.put_u8(127);
                frame.put_u64(length as u64);
            }
        }
        frame.put_slice(payload);
        Self(frame.freeze())
    }

    /// A text message.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(TEXT, text.as_bytes())
    }

    /// The answer to a ping.
    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::new(PONG, payload)
    }

    /// The end.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(CLOSE, &payload)
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The answer to a message; `response` is JSON text.
pub(crate) fn reply(
    version: Version,
    join_ref: Option<&Ref>,
    reference: Option<&Ref>,
    topic: &str,
    is_ok: bool,
    response: &str,
) -> Frame {
    let status = if is_ok { "ok" } else { "error" };
    let payload = format!(r#"{{"status":"{status}","response":{response}}}"#);
    Frame::text(&encode(version, json_of(join_ref), json_of(reference), topic, "phx_reply", &payload))
}

/// A reply that says why not.
pub(crate) fn refusal(
    version: Version,
    join_ref: Option<&Ref>,
    reference: Option<&Ref>,
    topic: &str,
    reason: &str,
) -> Frame {
    let response = format!(r#"{{"reason":{}}}"#, quoted(reason));
    reply(version, join_ref, reference, topic, false, &response)
}

/// The end of a channel: `phx_close`, which a client takes as final, or `phx_error`, after which it joins again.
pub(crate) fn ending(version: Version, join_ref: Option<&Ref>, topic: &str, event: &str) -> Frame {
    let reference = json_of(join_ref);
    Frame::text(&encode(version, reference, reference, topic, event, "{}"))
}

/// A message that nobody asked for; `payload` is JSON text.
pub(crate) fn push(
    version: Version,
    join_ref: Option<&Ref>,
    topic: &str,
    event: &str,
    payload: &str,
) -> Frame {
    Frame::text(&encode(version, json_of(join_ref), "null", topic, event, payload))
}

/// Something for many receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    /// An event with its payload, JSON text: goes out as text whatever the version.
    Event { event: &'static str, payload: Bytes },
    /// A user broadcast: a binary frame for version 2, text for version 1.
    Broadcast { event: Box<str>, metadata: Bytes, content: Content },
}

impl Shared {
    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Event { payload, .. } => payload.len(),
            Self::Broadcast { content, .. } => content.len(),
        }
    }

    fn encode(&self, version: Version, topic: &str) -> Option<Frame> {
        match self {
            Self::Event { event, payload } => {
                Some(push(version, None, topic, event, std::str::from_utf8(payload).ok()?))
            }
            Self::Broadcast { event, metadata, content } => {
                let binary = match version {
                    Version::V2 => binary::encode(topic, event, metadata, content),
                    Version::V1 => None,
                };
                match binary {
                    Some(frame) => Some(Frame::new(BINARY, &frame)),
                    None => {
                        Some(push(version, None, topic, "broadcast", &as_text(event, metadata, content)?))
                    }
                }
            }
        }
    }
}

/// A broadcast as the payload of a text message; bytes have no such form.
fn as_text(event: &str, metadata: &[u8], content: &Content) -> Option<String> {
    let Content::Json(payload) = content else { return None };
    let payload = std::str::from_utf8(payload).ok()?;
    // A payload that is no JSON would break the frame around it.
    serde_json::from_str::<serde::de::IgnoredAny>(payload).ok()?;
    let event = quoted(event);
    let metadata = std::str::from_utf8(metadata).ok().filter(|metadata| !metadata.is_empty());
    let metadata = metadata.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    Some(match metadata {
        None => format!(r#"{{"type":"broadcast","event":{event},"payload":{payload}}}"#),
        Some(meta) => format!(r#"{{"type":"broadcast","event":{event},"payload":{payload},"meta":{meta}}}"#),
    })
}

/// A message on its way to the receivers of one topic.
pub(crate) struct Encoder<'a> {
    message: &'a Shared,
    topic: &'a str,
    first: OnceCell<Option<Frame>>,
    second: OnceCell<Option<Frame>>,
}

impl<'a> Encoder<'a> {
    /// For receivers that joined `topic` (with its prefix).
    pub(crate) fn new(message: &'a Shared, topic: &'a str) -> Self {
        Self { message, topic, first: OnceCell::new(), second: OnceCell::new() }
    }

    /// The frame for a version; none if the message cannot be said in it.
    pub(crate) fn frame(&self, version: Version) -> Option<&Frame> {
        let cell = match version {
            Version::V1 => &self.first,
            Version::V2 => &self.second,
        };
        cell.get_or_init(|| self.message.encode(version, self.topic)).as_ref()
    }
}
