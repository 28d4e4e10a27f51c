//! Broadcasts from socket to socket.

use serde_json::json;

use crate::client::Client;
use crate::{Server, anon};

async fn pair(server: &Server, versions: [u8; 2]) -> [Client; 2] {
    let mut clients =
        [Client::open(server, versions[0], &anon()).await, Client::open(server, versions[1], &anon()).await];
    for client in &mut clients {
        client.join("room", json!({ "broadcast": { "ack": true } })).await;
    }
    clients
}

const TOPIC: &str = "realtime:room";

#[actix_web::test]
async fn text_reaches_the_others_whole_and_unchanged() {
    let server = Server::start().await;
    for versions in [[1, 1], [2, 2], [1, 2], [2, 1]] {
        let [mut sender, mut other] = pair(&server, versions).await;
        let payload =
            json!({ "type": "broadcast", "event": "hi", "payload": { "a": [1, "ü", null] }, "extra": true });
        let reference = sender.send(TOPIC, "broadcast", payload.clone()).await;
        assert_eq!(sender.reply(&reference).await, json!({ "status": "ok", "response": {} }));
        let heard = other.event("broadcast").await;
        assert_eq!((heard.topic.as_str(), heard.payload, heard.reference), (TOPIC, payload, json!(null)));
        let echo = sender.settled().await;
        assert!(echo.is_empty(), "the sender does not hear itself: {echo:?}");
    }
}

#[actix_web::test]
async fn the_sender_hears_itself_if_it_wants_and_nobody_answers_unasked() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", json!({ "broadcast": { "self": true } })).await;
    client.send(&topic, "broadcast", json!({ "event": "e" })).await;
    client.event("broadcast").await;
    assert!(client.settled().await.is_empty());
    // The other channel of the same user is another channel.
    let mut second = Client::open(&server, 2, &anon()).await;
    second.join("room", json!({})).await;
    client.send(&topic, "broadcast", json!({ "event": "f" })).await;
    assert_eq!(second.event("broadcast").await.payload["event"], "f");
}

#[actix_web::test]
async fn binary_json_arrives_byte_for_byte() {
    let server = Server::start().await;
    let [mut sender, mut other] = pair(&server, [2, 2]).await;
    let json = br#"{"b" : 1.50, "a":"\u00fc" }"#;
    sender.push(TOPIC, "événement", 1, "9", json).await;
    assert_eq!(sender.reply("9").await["status"], "ok");
    let heard = other.event("broadcast").await;
    assert_eq!(heard.bytes, json);
    assert_eq!(heard.payload["event"], "événement");
    assert!(heard.payload.get("meta").is_none());
}

#[actix_web::test]
async fn bytes_reach_the_second_version_alone() {
    let server = Server::start().await;
    let [mut sender, mut second] = pair(&server, [2, 2]).await;
    let mut first = Client::open(&server, 1, &anon()).await;
    first.join("room", json!({})).await;
    sender.push(TOPIC, "bin", 0, "9", &[0, 255, 1]).await;
    sender.reply("9").await;
    assert_eq!(second.event("broadcast").await.bytes, [0, 255, 1]);
    assert!(first.settled().await.is_empty());
    sender.push(TOPIC, "json", 1, "10", br#"{"x":1}"#).await;
    let expected = json!({ "type": "broadcast", "event": "json", "payload": { "x": 1 } });
    assert_eq!(first.event("broadcast").await.payload, expected);
}

#[actix_web::test]
async fn the_order_of_one_sender_is_kept() {
    let server = Server::start().await;
    let [mut sender, mut other] = pair(&server, [2, 2]).await;
    for n in 0..200 {
        sender.push(TOPIC, "n", 1, "", n.to_string().as_bytes()).await;
    }
    for n in 0..200 {
        assert_eq!(other.event("broadcast").await.payload["payload"], n);
    }
}

#[actix_web::test]
async fn topics_do_not_mix_and_leavers_hear_nothing() {
    let server = Server::start().await;
    let [mut sender, mut other] = pair(&server, [2, 2]).await;
    other.join("elsewhere", json!({})).await;
    let leave = other.send(TOPIC, "phx_leave", json!({})).await;
    other.reply(&leave).await;
    other.settled().await;
    let reference = sender.send(TOPIC, "broadcast", json!({ "event": "e" })).await;
    sender.reply(&reference).await;
    assert!(other.settled().await.is_empty());
}

#[actix_web::test]
async fn too_large_a_broadcast_is_answered_if_answers_are_wanted() {
    let limits = realtime::Config { max_payload: kernel::units::Bytes(100), ..crate::config() };
    let server = Server::with(limits, kernel::Clock::system()).await;
    let [mut sender, mut other] = pair(&server, [2, 2]).await;
    let reference =
        sender.send(TOPIC, "broadcast", json!({ "event": "e", "payload": "x".repeat(200) })).await;
    assert_eq!(
        sender.reply(&reference).await,
        json!({ "status": "error", "response": "payload_size_exceeded" })
    );
    assert!(other.settled().await.is_empty());
}

#[actix_web::test]
async fn a_thousand_subscribers_hear_everything_once() {
    let server = Server::start().await;
    let mut receivers = Vec::new();
    for _ in 0..20 {
        let mut client = Client::open(&server, 2, &anon()).await;
        for room in 0..50 {
            client.join(&format!("room{room}"), json!({})).await;
        }
        receivers.push(client);
    }
    let mut sender = Client::open(&server, 2, &anon()).await;
    for room in 0..50 {
        let topic = sender.join(&format!("room{room}"), json!({ "broadcast": { "ack": true } })).await;
        let reference = sender.send(&topic, "broadcast", json!({ "event": "e", "room": room })).await;
        sender.reply(&reference).await;
    }
    for client in &mut receivers {
        let mut rooms: Vec<_> =
            client.settled().await.iter().map(|heard| heard.payload["room"].as_i64().unwrap()).collect();
        rooms.sort_unstable();
        assert_eq!(rooms, (0..50).collect::<Vec<_>>());
    }
}
