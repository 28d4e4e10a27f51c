//! What is too much.

use kernel::Clock;
use serde_json::json;

use crate::client::{Client, refused};
use crate::{Server, anon, config};

#[actix_web::test]
async fn sockets_are_counted_and_given_back() {
    let server = Server::with(realtime::Config { max_sockets: 1, ..config() }, Clock::system()).await;
    let query = format!("vsn=2.0.0&apikey={}", anon());
    let client = Client::open(&server, 2, &anon()).await;
    assert_eq!(refused(&server, &query).await, (429, json!({ "error": "Too many connected users" })));
    client.vanish();
    // The server finds out in its own time.
    while tokio_tungstenite::connect_async(crate::client::url(&server, &query)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn channels_of_a_socket_are_counted() {
    let settings = realtime::Config { max_channels_per_socket: 2, ..config() };
    let server = Server::with(settings, Clock::system()).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    for name in ["a", "b", "b"] {
        client.join(name, json!({})).await;
    }
    let reply = client.ask("c", json!({})).await;
    assert_eq!(reply["response"]["reason"], "ChannelRateLimitReached: Too many channels");
    let leave = client.send("realtime:a", "phx_leave", json!({})).await;
    client.reply(&leave).await;
    client.event("phx_close").await;
    client.settled().await;
    client.join("c", json!({})).await;
}

#[actix_web::test]
async fn too_many_joins_end_the_socket() {
    let settings = realtime::Config { max_joins_per_second: 1, ..config() };
    let server = Server::with(settings, Clock::system()).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    for n in 0..60 {
        client.join(&format!("room{n}"), json!({})).await;
    }
    let reply = client.ask("one more", json!({})).await;
    assert_eq!(reply["response"]["reason"], "ClientJoinRateLimitReached: Too many joins per second");
    assert_eq!(client.end().await, 1001);
    let query = format!("vsn=2.0.0&apikey={}", anon());
    assert_eq!(refused(&server, &query).await, (429, json!({ "error": "Too many joins per second" })));
}

#[actix_web::test]
async fn too_many_messages_are_the_senders_to_bear() {
    let settings = realtime::Config { max_events_per_second: 1, ..config() };
    let server = Server::with(settings, Clock::system()).await;
    let mut sender = Client::open(&server, 2, &anon()).await;
    let mut other = Client::open(&server, 2, &anon()).await;
    for client in [&mut sender, &mut other] {
        client.join("room", json!({})).await;
    }
    for _ in 0..70 {
        sender.push("realtime:room", "e", 1, "", b"1").await;
    }
    assert_eq!(sender.event("system").await.payload["message"], "Too many messages per second");
    sender.event("phx_close").await;
    // One event for each sent and each delivered.
    let heard = other.settled().await;
    assert_eq!(heard.iter().filter(|heard| heard.event == "broadcast").count(), 60);
    assert!(heard.iter().all(|heard| heard.event == "broadcast"), "who only listens stays");
}

#[actix_web::test]
async fn public_channels_can_be_switched_off() {
    let server = Server::with(realtime::Config { private_only: true, ..config() }, Clock::system()).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let reply = client.ask("room", json!({})).await;
    assert_eq!(reply["response"]["reason"], "PrivateOnly: This project only allows private channels");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    assert!(config().check().is_empty());
    let bad = realtime::Config { retention_days: 0, queue_messages: 0, ..config() };
    let keys: Vec<_> = bad.check().iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["queue_messages", "retention_days"]);
}
