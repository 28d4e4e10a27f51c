//! Entries for the fuzzer: what strangers send, and what must be true of it.
//!
//! Anything may be refused; nothing may panic, and whatever is passed on to others must be readable by them. The
//! programs of `fuzz/` call them, and the tests here, which change the fuzzer's seeds at random: `PROPTEST_CASES` says
//! how often.
#![allow(clippy::missing_panics_doc, clippy::indexing_slicing)]

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::changes::fuzzing as changes;
use crate::hub::relay::envelope;
use crate::protocol::join::{Join, Replay};
use crate::protocol::message::{Body, Malformed, Message};
use crate::protocol::outgoing::{Encoder, Shared};
use crate::protocol::{Version, binary, text};
use crate::wal::decode::{Message as Change, decode};

/// A text frame, in both versions.
pub fn text_frame(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    for version in [Version::V1, Version::V2] {
        passed_on(text::decode(version, &frame));
    }
}

/// A binary frame.
pub fn binary_frame(data: &[u8]) {
    passed_on(binary::decode(&Bytes::copy_from_slice(data)));
}

/// What a message becomes for its receivers.
fn passed_on(message: Result<Message, Malformed>) {
    let Ok(Message { join_ref, reference, topic, body }) = message else { return };
    for reference in [join_ref, reference].into_iter().flatten() {
        assert!(
            serde_json::from_str::<Value>(reference.as_json()).is_ok(),
            "{reference:?} is echoed as JSON"
        );
    }
    let (message, may_be_bytes) = match body {
        Body::Event { payload, .. } => (Shared::Event { event: "broadcast", payload }, false),
        Body::Broadcast { event, metadata, content } => {
            (Shared::Broadcast { event, metadata, content }, true)
        }
    };
    let encoder = Encoder::new(&message, &topic);
    for version in [Version::V1, Version::V2] {
        let Some(frame) = encoder.frame(version) else { continue };
        let (opcode, payload) = unframed(frame.bytes());
        if opcode == 1 {
            // By its grammar: a number may be larger than any of ours.
            assert!(serde_json::from_slice::<IgnoredAny>(payload).is_ok(), "text frames are JSON");
        } else {
            assert!(may_be_bytes && version == Version::V2);
            let [4, topic, event, metadata, ..] = payload else { panic!("kind 4 and its lengths") };
            let head = 5 + usize::from(*topic) + usize::from(*event) + usize::from(*metadata);
            assert_eq!(payload.len(), head + message.len());
        }
    }
}

/// Opcode and payload of a frame.
fn unframed(frame: &[u8]) -> (u8, &[u8]) {
    let (head, length) = match frame[1] {
        126 => (4, usize::from(u16::from_be_bytes([frame[2], frame[3]]))),
        127 => (10, frame.len() - 10),
        short => (2, usize::from(short)),
    };
    assert_eq!(frame.len(), head + length);
    (frame[0] & 0x0f, &frame[head..])
}

/// The payload of a join.
pub fn join(data: &[u8]) {
    let join = Join::parse(data);
    if let Some(Replay::Since { limit, .. }) = join.replay {
        assert!((1..=25).contains(&limit));
    }
    if let Some(key) = join.presence_key {
        assert!(!key.is_empty() && key.len() <= 1024);
    }
}

/// A filter, and behind a zero a value that it is about.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (filter, value) = text.split_once('\0').unwrap_or((text, ""));
    changes::filter(filter, value);
}

/// The kind of a column, and its text as Postgres prints it.
pub fn value(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    changes::value(*kind, text);
}

/// A message of the stream of changes.
pub fn pgoutput(data: &[u8]) {
    let Ok(message) = decode(&Bytes::copy_from_slice(data)) else { return };
    match message {
        Change::Row { row, .. } => assert!(row.size() <= data.len(), "nothing is made up"),
        Change::Relation(relation) => assert!(relation.columns.len() <= data.len()),
        _ => {}
    }
}

/// A batch of another instance.
pub fn batch(data: &[u8]) {
    let mut batch = Bytes::copy_from_slice(data);
    while let Some(read) = envelope::read(&mut batch) {
        let mut again = bytes::BytesMut::new();
        read.write(&mut again);
        assert_eq!(envelope::read(&mut again.freeze()), Some(read));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// What one seed becomes in a case.
    const CHANGED: usize = 8;

    /// Pieces that mean something to one of the formats.
    const WORDS: [&[u8]; 24] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b",",
        b":",
        b"null",
        b"phx_join",
        b"realtime:",
        b"=eq.",
        b"not.",
        b"in.(",
        b")",
        b"\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x01",
        b"NaN",
        b"-1e999",
        b"\\x",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"infinity",
    ];

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    fn change(data: &mut Vec<u8>, others: &[Vec<u8>], random: &mut StdRng) {
        let place = random.random_range(0..=data.len());
        match random.random_range(0..7) {
            0 if place < data.len() => data[place] ^= 1 << random.random_range(0..8),
            1 if place < data.len() => data[place] = random.random(),
            2 => data.insert(place, random.random()),
            3 => {
                let end = random.random_range(place..=data.len());
                data.drain(place..end);
            }
            4 => {
                let word = *WORDS.choose(random).unwrap();
                data.splice(place..place, word.iter().copied());
            }
            5 => {
                let other = others.choose(random).unwrap();
                let begin = random.random_range(0..=other.len());
                data.splice(place.., other.get(begin..).unwrap().iter().copied());
            }
            _ => {
                let piece = data[..place].to_vec();
                data.splice(place..place, piece.into_iter().take(200));
            }
        }
        data.truncate(4096);
    }

    fn feed(target: &str, entry: fn(&[u8]), number: u64) {
        let seeds = seeds(target);
        let mut random = StdRng::seed_from_u64(number);
        let mut data = seeds.choose(&mut random).unwrap().clone();
        entry(&data);
        for _ in 0..CHANGED {
            change(&mut data, &seeds, &mut random);
            let fed = std::panic::catch_unwind(|| entry(&data));
            assert!(fed.is_ok(), "{target} {:?}", data.escape_ascii().to_string());
        }
    }

    proptest::proptest! {
        #[test]
        fn text_frames(number: u64) { feed("text_frame", text_frame, number) }

        #[test]
        fn binary_frames(number: u64) { feed("binary_frame", binary_frame, number) }

        #[test]
        fn joins(number: u64) { feed("join", join, number) }

        #[test]
        fn filters(number: u64) { feed("filter", filter, number) }

        #[test]
        fn values(number: u64) { feed("value", value, number) }

        #[test]
        fn messages_of_the_stream(number: u64) { feed("pgoutput", pgoutput, number) }

        #[test]
        fn batches(number: u64) { feed("batch", batch, number) }
    }
}
