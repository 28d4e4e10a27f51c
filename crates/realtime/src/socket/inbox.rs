//! The frames that come in on one socket: the body of the request that became it.
//!
//! A message in fragments is put together here. Nothing larger than the limit is ever held: a client that
//! sends more is told so (1009) before the rest of it is read.

use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame, Item, ProtocolError};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

/// Something that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The client says goodbye.
    Close,
    /// The client does not follow the protocol: the code to end the socket with.
    Violation(u16),
    /// The connection ended.
    Gone,
}

/// The reading side of a socket.
pub(crate) struct Inbox {
    payload: Payload,
    buffer: BytesMut,
    codec: Codec,
    limit: usize,
    /// The parts of a message that is not complete, and whether it is text.
    parts: Option<(BytesMut, bool)>,
}

/// The message is too big.
const TOO_BIG: u16 = 1009;

/// A violation of the protocol.
const PROTOCOL: u16 = 1002;

impl Inbox {
    /// Reads messages of `limit` bytes at most.
    pub(crate) fn new(payload: Payload, limit: usize) -> Self {
        let codec = Codec::new().max_size(limit);
        Self { payload, buffer: BytesMut::new(), codec, limit, parts: None }
    }

    /// The next message. May be dropped while it waits; nothing is lost.
    pub(crate) async fn next(&mut self) -> Incoming {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => {
                    if let Some(incoming) = self.take(frame) {
                        return incoming;
                    }
                }
                Ok(None) => {
                    if self.buffer.is_empty() {
                        // An idle socket holds no buffer.
                        self.buffer = BytesMut::new();
                    }
                    match self.payload.next().await {
                        Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                        Some(Err(_)) | None => return Incoming::Gone,
                    }
                }
                Err(ProtocolError::Overflow) => return Incoming::Violation(TOO_BIG),
                Err(_) => return Incoming::Violation(PROTOCOL),
            }
        }
    }

    fn take(&mut self, frame: Frame) -> Option<Incoming> {
        match frame {
            Frame::Text(bytes) => Some(Incoming::Text(bytes)),
            Frame::Binary(bytes) => Some(Incoming::Binary(bytes)),
            Frame::Ping(bytes) => Some(Incoming::Ping(bytes)),
            Frame::Pong(_) => Some(Incoming::Pong),
            Frame::Close(_) => Some(Incoming::Close),
            Frame::Continuation(item) => self.gather(item),
        }
    }

    fn gather(&mut self, item: Item) -> Option<Incoming> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) => return self.begin(&bytes, true),
            Item::FirstBinary(bytes) => return self.begin(&bytes, false),
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        let Some((parts, _)) = &mut self.parts else { return Some(Incoming::Violation(PROTOCOL)) };
        if parts.len() + bytes.len() > self.limit {
            return Some(Incoming::Violation(TOO_BIG));
        }
        parts.extend_from_slice(&bytes);
        if !is_last {
            return None;
        }
        self.parts.take().map(|(parts, is_text)| match is_text {
            true => Incoming::Text(parts.freeze()),
            false => Incoming::Binary(parts.freeze()),
        })
    }

    fn begin(&mut self, bytes: &Bytes, is_text: bool) -> Option<Incoming> {
        self.parts = Some((BytesMut::from(&bytes[..]), is_text));
        None
    }
}
