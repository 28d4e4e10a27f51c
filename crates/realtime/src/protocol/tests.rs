//! Frames, join payloads: examples, and whatever proptest comes up with.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::join::{Join, Replay};
use super::message::{Body, Content, Malformed, Message};
use super::outgoing::{Encoder, Frame, Shared, ending, refusal, reply};
use super::{Version, binary, text};

fn decoded(version: Version, frame: &str) -> Message {
    text::decode(version, &Bytes::copy_from_slice(frame.as_bytes())).unwrap()
}

/// The payload of a WebSocket frame of the server.
fn unframed(frame: &Frame) -> (u8, Vec<u8>) {
    let bytes = frame.bytes();
    let start = match bytes[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (bytes[0], bytes[start..].to_vec())
}

fn said(frame: &Frame) -> Value {
    let (opcode, payload) = unframed(frame);
    assert_eq!(opcode, 0x81);
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn versions_are_upstreams_requirements() {
    let check = |vsn, expected| assert_eq!(Version::parse(vsn), expected, "{vsn:?}");
    check(None, Some(Version::V1));
    check(Some(""), Some(Version::V1));
    check(Some("1.0.0"), Some(Version::V1));
    check(Some("1.0.7"), Some(Version::V1));
    check(Some("2.0.0"), Some(Version::V2));
    for vsn in ["1", "2.0", "2.1.0", "3.0.0", "2.0.x", "2.0.0.0", "x"] {
        check(Some(vsn), None);
    }
}

#[test]
fn both_encodings_say_the_same() {
    let first = decoded(
        Version::V1,
        r#"{"topic":"realtime:a","event":"e","payload":{"n": 1.50},"ref":"2","join_ref":"1"}"#,
    );
    let second = decoded(Version::V2, r#"["1","2","realtime:a","e",{"n": 1.50},"more",{}]"#);
    assert_eq!(first, second);
    let Body::Event { event, payload } = second.body else { panic!() };
    assert_eq!((&*event, &payload[..]), ("e", &br#"{"n": 1.50}"#[..]), "byte for byte");
}

#[test]
fn references_are_echoed_as_they_came() {
    let message = decoded(Version::V2, r#"[null,7,"realtime:a","e",{}]"#);
    assert!(message.join_ref.is_none());
    let frame = reply(Version::V2, None, message.reference.as_ref(), "realtime:a", true, "{}");
    assert_eq!(said(&frame), json!([null, 7, "realtime:a", "phx_reply", { "status": "ok", "response": {} }]));
    let frame = refusal(Version::V1, None, message.reference.as_ref(), "t\"", "why");
    let expected = json!({ "topic": "t\"", "event": "phx_reply", "ref": 7,
                           "payload": { "status": "error", "response": { "reason": "why" } } });
    assert_eq!(said(&frame), expected);
    let escaped = decoded(Version::V2, r#"["\u0031","2","realtime:a","e",{}]"#);
    assert_eq!(escaped.join_ref, decoded(Version::V2, r#"["1","2","realtime:a","e",{}]"#).join_ref);
    let frame = ending(Version::V2, escaped.join_ref.as_ref(), "realtime:a", "phx_close");
    assert_eq!(said(&frame), json!(["1", "1", "realtime:a", "phx_close", {}]));
}

#[test]
fn malformed_frames_are_errors_and_nothing_worse() {
    for frame in ["", "{", "[]", "\"x\"", "[1,2]", r#"{"topic":"a"}"#, r#"["1","2","t",3,{}]"#, "null"] {
        for version in [Version::V1, Version::V2] {
            let result = text::decode(version, &Bytes::copy_from_slice(frame.as_bytes()));
            assert_eq!(result, Err(Malformed::Shape), "{frame}");
        }
    }
    let odd = Bytes::from_static(br#"[{},"2","t","e",{}]"#);
    assert_eq!(text::decode(Version::V2, &odd), Err(Malformed::Reference));
    assert_eq!(text::decode(Version::V2, &Bytes::from_static(b"[\xff]")), Err(Malformed::Encoding));
    for (frame, error) in [
        (&b""[..], Malformed::Short),
        (b"\x09\x09", Malformed::Kind),
        (b"\x03\xff", Malformed::Short),
        (b"\x03\x00\x00\x05\x00\x00\x01abc", Malformed::Short),
        (b"\x03\x00\x00\x01\x00\x00\x01\xff", Malformed::Encoding),
    ] {
        assert_eq!(binary::decode(&Bytes::copy_from_slice(frame)), Err(error), "{frame:?}");
    }
}

#[test]
fn a_binary_broadcast_in_and_out() {
    let frame = Bytes::from_static(b"\x03\x01\x01\x0c\x03\x02\x01j\x35realtime:roomevt{}{\"a\" : 1}");
    let message = binary::decode(&frame.slice(..)).unwrap();
    assert_eq!(&*message.topic, "realtime:roo");
    let Body::Broadcast { event, metadata, content } = message.body else { panic!() };
    assert_eq!((&*event, &metadata[..]), ("mev", &b"t{"[..]));
    assert_eq!(content, Content::Json(Bytes::from_static(b"}{\"a\" : 1}")));

    let content = Content::Json(Bytes::from_static(b"{\"a\" : 1}"));
    let shared = Shared::Broadcast { event: "evt".into(), metadata: Bytes::new(), content };
    let encoder = Encoder::new(&shared, "realtime:r");
    let (opcode, payload) = unframed(encoder.frame(Version::V2).unwrap());
    assert_eq!((opcode, &payload[..]), (0x82, &b"\x04\x0a\x03\x00\x01realtime:revt{\"a\" : 1}"[..]));
    let expected = json!({ "topic": "realtime:r", "event": "broadcast", "ref": null,
                           "payload": { "type": "broadcast", "event": "evt", "payload": { "a": 1 } } });
    assert_eq!(said(encoder.frame(Version::V1).unwrap()), expected);
}

#[test]
fn what_a_version_cannot_say_is_not_said() {
    let broadcast = |event: &str, metadata: &'static str, content| Shared::Broadcast {
        event: event.into(),
        metadata: Bytes::from_static(metadata.as_bytes()),
        content,
    };
    let bytes = Content::Binary(Bytes::from_static(&[0, 255]));
    let shared = broadcast("e", "", bytes.clone());
    assert!(Encoder::new(&shared, "t").frame(Version::V1).is_none());
    let long = "x".repeat(256);
    assert!(Encoder::new(&broadcast(&long, "", bytes), "t").frame(Version::V2).is_none());
    // JSON has a form that knows no such limit.
    let shared = broadcast(&long, r#"{"id":1}"#, Content::Json(Bytes::from_static(b"1")));
    let frame = Encoder::new(&shared, "t").frame(Version::V2).cloned().unwrap();
    let payload = json!({ "type": "broadcast", "event": long, "payload": 1, "meta": { "id": 1 } });
    assert_eq!(said(&frame), json!([null, null, "t", "broadcast", payload]));
    // What claims to be JSON and is not must not break the frame around it.
    let shared = broadcast("e", "", Content::Json(Bytes::from_static(b"1],[")));
    assert!(Encoder::new(&shared, "t").frame(Version::V1).is_none());
}

#[test]
fn joins_are_read_leniently() {
    let parse = |payload: Value| Join::parse(payload.to_string().as_bytes());
    let full = parse(json!({
        "config": {
            "private": "TRUE",
            "broadcast": { "ack": true, "self": "true", "replication_ready": true,
                           "replay": { "since": 5, "limit": 99 } },
            "presence": { "enabled": true, "key": "me" },
            "postgres_changes": [null, { "event": "*", "schema": "public" }, 7],
            "more": 1
        },
        "access_token": "t", "user_token": "u"
    }));
    assert!(full.private && full.ack && full.to_self && full.presence && !full.is_odd);
    assert_eq!(full.replay, Some(Replay::Since { millis: 5, limit: 25 }));
    assert_eq!((full.presence_key.as_deref(), full.token.as_deref()), (Some("me"), Some("t")));
    assert_eq!(full.changes.len(), 1);

    assert_eq!(parse(json!({})), Join { is_legacy: true, ..Join::default() });
    assert_eq!(parse(json!({ "config": null })), Join::default());
    let nulls = json!({ "config": { "presence": { "key": null }, "postgres_changes": null, "broadcast": { "replay": null } } });
    assert_eq!(parse(nulls), Join::default());
    assert_eq!(parse(json!({ "config": { "presence": { "key": "" } } })).presence_key, None);
    assert_eq!(parse(json!({ "user_token": "u" })).token.as_deref(), Some("u"));
    for odd in [json!({ "config": "nonsense" }), json!([]), json!({ "config": { "presence": 1 } })] {
        assert!(parse(odd.clone()).is_odd, "{odd}");
    }
    for replay in [json!({ "since": "x" }), json!({}), json!({ "since": 1, "limit": "x" })] {
        let join = parse(json!({ "config": { "broadcast": { "replay": replay } } }));
        assert_eq!(join.replay, Some(Replay::Invalid), "{replay}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = text::decode(Version::V1, &bytes);
        let _ = text::decode(Version::V2, &bytes);
        let _ = binary::decode(&bytes);
        let _ = Join::parse(&bytes);
    }

    #[test]
    fn almost_right_binary_frames_break_nothing(
        lengths in prop::array::uniform6(any::<u8>()),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let frame = [&[3], &lengths[..], &rest].concat();
        if let Ok(message) = binary::decode(&Bytes::from(frame)) {
            prop_assert!(message.topic.len() <= 255 && message.body.len() <= rest.len());
        }
    }

    #[test]
    fn what_is_said_in_text_is_heard(
        topic in ".{0,40}", event in ".{0,20}", reference in ".{0,10}", n in any::<i64>(),
    ) {
        let payload = json!({ "n": n, "t": topic }).to_string();
        let quoted = text::quoted(&reference);
        for version in [Version::V1, Version::V2] {
            let frame = text::encode(version, "null", &quoted, &topic, &event, &payload);
            let message = text::decode(version, &Bytes::from(frame)).unwrap();
            prop_assert_eq!(&*message.topic, &*topic);
            prop_assert_eq!(message.reference.as_ref().unwrap().as_json(), &*quoted);
            let heard = Body::Event { event: event.as_str().into(), payload: Bytes::from(payload.clone()) };
            prop_assert_eq!(message.body, heard);
        }
    }

    #[test]
    fn binary_broadcasts_reach_every_version(
        topic in ".{0,60}", event in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let content = Content::Binary(Bytes::from(bytes.clone()));
        let frame = binary::encode(&topic, &event, b"", &content);
        prop_assert_eq!(frame.is_some(), topic.len() < 256 && event.len() < 256);
        if let Some(frame) = frame {
            prop_assert!(frame.ends_with(&bytes));
            prop_assert_eq!(frame.len(), 5 + topic.len() + event.len() + bytes.len());
        }
    }

    #[test]
    fn frames_say_how_long_they_are(length in prop_oneof![0usize..300, 65_500usize..65_600]) {
        let (opcode, payload) = unframed(&Frame::text(&"x".repeat(length)));
        prop_assert_eq!((opcode, payload.len()), (0x81, length));
    }

    #[test]
    fn joins_of_any_shape_are_read(
        config in prop::sample::select(vec!["private", "broadcast", "presence", "postgres_changes"]),
        inner in prop::sample::select(vec!["ack", "self", "replay", "enabled", "key", "x"]),
        value in prop_oneof![
            Just(json!(null)), Just(json!(true)), Just(json!("true")), Just(json!(1.5)), Just(json!([])),
            Just(json!([[{}]])), Just(json!({ "since": -1, "limit": i64::MIN }))
        ],
    ) {
        let payload = json!({ "config": { config: { inner: value } } });
        let _ = Join::parse(payload.to_string().as_bytes());
        let payload = json!({ "config": { config: [{ inner: value }] } });
        let _ = Join::parse(payload.to_string().as_bytes());
    }
}
