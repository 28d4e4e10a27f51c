//! Binary frames of version 2: user broadcasts in (kind 3) and out (kind 4).
//!
//! Every length is one byte and counts bytes. The encoding byte is 0 for bytes; everything else means
//! JSON on the way in, and 1 does on the way out.

use bytes::{BufMut, Bytes, BytesMut};

use super::message::{Body, Content, Malformed, Message, Ref};

const PUSH: u8 = 3;
const BROADCAST: u8 = 4;
const BYTES: u8 = 0;
const JSON: u8 = 1;

/// Reads a binary frame.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn decode(frame: &Bytes) -> Result<Message, Malformed> {
    let (kind, rest) = frame.split_first().ok_or(Malformed::Short)?;
    if *kind != PUSH {
        return Err(Malformed::Kind);
    }
    let (lengths, mut rest) = rest.split_first_chunk::<6>().ok_or(Malformed::Short)?;
    let [join_ref, reference, topic, event, metadata, encoding] = *lengths;
    let mut take = |length: u8| {
        let (part, behind) = rest.split_at_checked(length.into()).ok_or(Malformed::Short)?;
        rest = behind;
        Ok(part)
    };
    let (join_ref, reference) = (text(take(join_ref)?)?, text(take(reference)?)?);
    let (topic, event) = (text(take(topic)?)?, text(take(event)?)?);
    let metadata = frame.slice_ref(take(metadata)?);
    let content = frame.slice_ref(rest);
    let content = if encoding == BYTES { Content::Binary(content) } else { Content::Json(content) };
    let some = |text: &str| (!text.is_empty()).then(|| Ref::text(text));
    Ok(Message {
        join_ref: some(join_ref),
        reference: some(reference),
        topic: topic.into(),
        body: Body::Broadcast { event: event.into(), metadata, content },
    })
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Encoding)
}

/// Writes a broadcast, or nothing if a part is too long for its length byte.
pub(crate) fn encode(topic: &str, event: &str, metadata: &[u8], content: &Content) -> Option<Bytes> {
    let length = |part: &[u8]| u8::try_from(part.len()).ok();
    let (encoding, payload) = match content {
        Content::Binary(bytes) => (BYTES, bytes),
        Content::Json(bytes) => (JSON, bytes),
    };
    let head = [BROADCAST, length(topic.as_bytes())?, length(event.as_bytes())?, length(metadata)?, encoding];
    let size = head.len() + topic.len() + event.len() + metadata.len() + payload.len();
    let mut frame = BytesMut::with_capacity(size);
    for part in [&head, topic.as_bytes(), event.as_bytes(), metadata, payload] {
        frame.put_slice(part);
    }
    Some(frame.freeze())
}
