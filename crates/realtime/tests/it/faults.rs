//! Clients that are cut off, and clients that do not keep up.

use std::time::Duration;

use kernel::Clock;
use kernel::units::{Bytes, Span};
use realtime::Config;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::{Server, anon, config};

/// The value of a metric without labels.
pub(crate) fn figure(server: &Server, name: &str) -> u64 {
    let text = server.realtime.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

#[actix_web::test]
async fn who_is_cut_off_leaves() {
    let config = Config { idle_timeout: Span(Duration::from_secs(2)), ..config() };
    let server = Server::with(config, Clock::system()).await;
    let mut here = Client::open(&server, 2, &anon()).await;
    let presence = |key: &str| json!({ "presence": { "enabled": true, "key": key } });
    let topic = here.join("room", presence("here")).await;
    let mut silent = Client::open(&server, 2, &anon()).await;
    silent.join("room", presence("silent")).await;
    let track = json!({ "type": "presence", "event": "track", "payload": {} });
    let reference = silent.send(&topic, "presence", track).await;
    silent.reply(&reference).await;
    // Its connection stands, but nothing comes along it any more.
    loop {
        let heard = here.settled().await;
        if heard.iter().any(|heard| heard.payload["leaves"]["silent"].is_object()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(silent.end().await, 1000);
}

#[actix_web::test]
async fn a_connection_whose_client_is_gone_is_closed() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.join("room", json!({})).await;
    client.fall_silent().await;
    assert_eq!(client.end().await, 1000, "the server ends its side, too");
}

#[actix_web::test]
async fn who_does_not_keep_up_is_let_go_and_others_hear_everything() {
    let config = Config { queue_bytes: Bytes::mib(1), ..config() };
    let server = Server::with(config, Clock::system()).await;
    let mut slow = Client::open(&server, 2, &anon()).await;
    slow.join("room", json!({})).await;
    let mut quick = Client::open(&server, 2, &anon()).await;
    quick.join("room", json!({})).await;
    let mut sender = Client::open(&server, 2, &anon()).await;
    let topic = sender.join("room", json!({ "broadcast": { "ack": true } })).await;
    let filler = "x".repeat(100_000);
    let mut sent = 0;
    // More than the system's buffers hold, and then twice the bound.
    while figure(&server, "basalt_realtime_sockets_overrun") == 0 {
        let message = json!({ "event": "e", "payload": { "n": sent, "filler": filler } });
        let reference = sender.send(&topic, "broadcast", message).await;
        sender.reply(&reference).await;
        assert_eq!(quick.event("broadcast").await.payload["payload"]["n"], sent);
        sent += 1;
        assert!(sent < 1000, "100 MB wait for a client that does not read");
    }
    assert_eq!(slow.end().await, 1013, "it is told to come back");
    assert!(quick.settled().await.is_empty());
}

#[actix_web::test]
async fn what_is_counted_is_shown() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", json!({ "broadcast": { "self": true } })).await;
    client.send(&topic, "broadcast", json!({ "event": "e" })).await;
    client.event("broadcast").await;
    client.raw(Message::text("no message")).await;
    client.ask("", json!({})).await;
    let text = server.realtime.metrics();
    for line in [
        r#"realtime_connections_connected{tenant="realtime-dev"} 1"#,
        r#"realtime_channel_joins{tenant="realtime-dev"} 1"#,
        r#"realtime_channel_events{tenant="realtime-dev"} 2"#,
        r#"realtime_channel_error{code="MalformedWebSocketMessage",tenant="realtime-dev"} 1"#,
        r#"realtime_channel_error{code="TopicNameRequired",tenant="realtime-dev"} 1"#,
        r#"realtime_payload_size_bucket{message_type="broadcast",le="250"} 1"#,
        r#"basalt_realtime_limit{limit="sockets"} 10000"#,
        r#"basalt_realtime_used{limit="sockets"} 1"#,
        "basalt_realtime_topics 1",
        "basalt_realtime_instances 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("# TYPE ")) {
        assert_eq!(text.lines().position(|other| other == line), Some(index), "{line} is there once");
    }
    assert!(figure(&server, "realtime_channel_global_events") == 2);
}
