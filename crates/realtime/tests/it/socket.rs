//! Opening, heartbeats, joining, leaving, and what a client may do wrong.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, refused};
use crate::{PUBLISHABLE, SECRET, Server, anon, config, user};
use kernel::Clock;
use kernel::units::{Bytes, Span};

#[actix_web::test]
async fn refusals_come_before_the_upgrade_in_upstreams_words() {
    let server = Server::start().await;
    let check = async |query: String, status: u16, text: &str| {
        assert_eq!(refused(&server, &query).await, (status, json!({ "error": text })), "{query}");
    };
    let with = |token: String| format!("vsn=2.0.0&apikey={token}");
    check("vsn=2.0.0".to_owned(), 401, "API key is missing").await;
    check(with("not-a-jwt".into()), 401, "The token provided is not a valid JWT").await;
    check(with("sb_publishable_unknown".into()), 401, "The token provided is not a valid JWT").await;
    let expired = testkit::token(SECRET, r#"{"role":"anon","exp":1000000000}"#);
    check(with(expired), 401, "Token has expired").await;
    let foreign = testkit::token("another secret of thirty-two bytes", r#"{"role":"anon"}"#);
    check(with(foreign), 401, "Failed to validate JWT signature").await;
    let incomplete = testkit::token(SECRET, r#"{"sub":"x"}"#);
    check(with(incomplete), 401, "Fields `role` and `exp` are required in JWT").await;
    check(format!("vsn=3.0.0&apikey={}", anon()), 500, "Error connecting to Realtime").await;
}

#[actix_web::test]
async fn keys_of_every_kind_open_a_socket() {
    let server = Server::start().await;
    for key in [PUBLISHABLE.to_owned(), anon(), user("11111111-1111-1111-1111-111111111111")] {
        Client::open(&server, 2, &key).await.join("room", json!({})).await;
    }
    // The header wins over the parameter.
    let key = anon();
    let headers = [("x-api-key", key.as_str())];
    let query = "vsn=2.0.0&apikey=nonsense&log_level=info&foo=bar";
    Client::with_headers(&server, query, &headers).await.join("room", json!({})).await;
}

#[actix_web::test]
async fn heartbeats_joins_and_leaves_in_both_versions() {
    let server = Server::start().await;
    for version in [1, 2] {
        let mut client = Client::open(&server, version, &anon()).await;
        let beat = client.send("phoenix", "heartbeat", json!({})).await;
        assert_eq!(client.reply(&beat).await, json!({ "status": "ok", "response": {} }));
        let reply = client.ask("room", json!({ "config": {} })).await;
        assert_eq!(reply, json!({ "status": "ok", "response": { "postgres_changes": [] } }));
        let leave = client.send("realtime:room", "phx_leave", json!({})).await;
        assert_eq!(client.reply(&leave).await["status"], "ok");
        let closed = client.event("phx_close").await;
        assert_eq!((closed.reference, closed.payload), (json!("2"), json!({})), "the join that ended");
        let late = client.send("realtime:room", "broadcast", json!({})).await;
        assert_eq!(client.reply(&late).await["response"]["reason"], "unmatched topic");
        let again = client.send("realtime:room", "phx_leave", json!({})).await;
        assert_eq!(client.reply(&again).await["status"], "ok");
    }
}

#[actix_web::test]
async fn topics_of_others_and_without_a_name_are_refused() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let join = client.send("other:topic", "phx_join", json!({})).await;
    assert_eq!(client.reply(&join).await["response"]["reason"], "unmatched topic");
    let reply = client.ask("", json!({})).await;
    assert_eq!(reply["response"]["reason"], "TopicNameRequired: You must provide a topic name");
}

#[actix_web::test]
async fn a_second_join_ends_the_first() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let on =
        json!({ "broadcast": { "self": true, "ack": true }, "presence": { "enabled": true, "key": "k" } });
    let topic = client.join("room", on.clone()).await;
    let track = client.send(&topic, "presence", json!({ "event": "track", "payload": {} })).await;
    client.reply(&track).await;
    client.settled().await;
    client.join("room", on).await;
    let closed = client.event("phx_close").await;
    assert_eq!((closed.reference, closed.join_ref), (json!("1"), json!("1")));
    assert_eq!(client.event("presence_state").await.payload, json!({}), "it left before it came back");
    // What was meant for the first join is dropped, what names none is taken.
    client.send_as(Some("1"), &topic, "broadcast", json!({ "event": "old" })).await;
    client.send(&topic, "broadcast", json!({ "event": "new" })).await;
    assert_eq!(client.event("broadcast").await.payload["event"], "new");
}

#[actix_web::test]
async fn malformed_frames_do_not_end_a_socket() {
    let server = Server::start().await;
    for version in [1, 2] {
        let mut client = Client::open(&server, version, &anon()).await;
        for text in ["", "{", "[]", "\"x\"", r#"{"topic":"a"}"#] {
            client.raw(Message::text(text)).await;
        }
        for bytes in [&[][..], &[9, 9], &[3, 255], &[3, 0, 0, 200, 0, 0, 1, 7]] {
            client.raw(Message::binary(bytes.to_vec())).await;
        }
        client.join("room", json!({})).await;
        client.raw(Message::Ping(b"p".to_vec().into())).await;
        assert_eq!(client.event("pong").await.bytes, b"p");
    }
}

#[actix_web::test]
async fn messages_in_fragments_are_put_together() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let text = r#"[null,"7","phoenix","heartbeat",{}]"#;
    let (first, second) = text.split_at(10);
    let frame = |text: &str, kind, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), last))
    };
    client.raw(frame(first, Data::Text, false)).await;
    client.raw(Message::Ping(b"between".to_vec().into())).await;
    client.raw(frame(second, Data::Continue, true)).await;
    assert_eq!(client.reply("7").await["status"], "ok");
}

#[actix_web::test]
async fn too_large_a_frame_ends_the_socket() {
    let limits = realtime::Config { max_frame: Bytes(2000), max_payload: Bytes(1000), ..config() };
    let server = Server::with(limits, Clock::system()).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.raw(Message::text("x".repeat(3000))).await;
    assert_eq!(client.end().await, 1009);
}

#[actix_web::test]
async fn idle_and_lonely_sockets_are_closed() {
    let settings = realtime::Config { idle_timeout: Span::secs(1), ..config() };
    let server = Server::with(settings, Clock::system()).await;
    assert_eq!(Client::open(&server, 2, &anon()).await.end().await, 1000);
    let settings = realtime::Config { no_channel_timeout: Span::secs(0), ..config() };
    let server = Server::with(settings, Clock::system()).await;
    assert_eq!(Client::open(&server, 2, &anon()).await.end().await, 1000);
}

#[actix_web::test]
async fn a_server_that_stops_says_goodbye_to_everybody() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::open(&server, 2, &anon()).await;
        client.join("room", json!({})).await;
        clients.push(client);
    }
    server.realtime.drain().await;
    for client in &mut clients {
        assert_eq!(client.end().await, 1012);
    }
    assert_eq!(Client::open(&server, 2, &anon()).await.end().await, 1012, "who comes late is told, too");
}

#[actix_web::test]
async fn goodbyes_are_spread_and_nobody_joins_meanwhile() {
    const SOCKETS: usize = 40;
    let server = Server::with(realtime::Config { drain: Span::secs(60), ..config() }, Clock::system()).await;
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        let mut client = Client::open(&server, 2, &anon()).await;
        client.join("room", json!({})).await;
        clients.push(client);
    }
    let begun = std::time::Instant::now();
    let mut drain = std::pin::pin!(server.realtime.drain());
    // It begins, and does not go on while nobody asks it to.
    assert!(futures_util::poll!(&mut drain).is_pending());
    let mut refused = 0;
    for client in &mut clients {
        if let Some(reply) = client.ask_or_end("another").await {
            assert_eq!(reply["status"], "error");
            assert_eq!(
                reply["response"]["reason"],
                "RealtimeRestarting: Realtime is restarting, please standby"
            );
            refused += 1;
        }
    }
    assert_eq!(refused, SOCKETS - 1, "one was told to go, the others not yet");
    drain.await;
    let pause = std::time::Duration::from_millis(5);
    assert!(begun.elapsed() >= pause * u32::try_from(SOCKETS - 1).unwrap(), "one after the other");
    for client in &mut clients {
        assert_eq!(client.end().await, 1012);
    }
}

#[actix_web::test]
async fn joins_of_any_shape_are_tolerated_and_changes_echoed() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    assert_eq!(client.ask("a", json!({ "config": "nonsense" })).await["status"], "ok");
    let asked = json!([{ "event": "*", "schema": "public", "table": "t" }, null,
                       { "event": "INSERT", "schema": "public", "table": "t", "filter": "a=eq.1" },
                       { "event": "*", "schema": "public", "table": "t" }]);
    let reply = client.ask("b", json!({ "config": { "postgres_changes": asked } })).await;
    let echoed = reply["response"]["postgres_changes"].as_array().unwrap().clone();
    assert_eq!(echoed.len(), 3);
    assert_eq!(echoed[1]["filter"], "a=eq.1");
    assert_eq!(echoed[0]["id"], echoed[2]["id"], "the same parameters have the same id");
    assert_ne!(echoed[0]["id"], echoed[1]["id"]);
    assert!(echoed.iter().all(|change| change["id"].as_u64().is_some_and(|id| id > 0 && id < 1 << 53)));
}
