//! Tokens of channels: their words, their end, their renewal.

use std::time::Duration;

use chrono::{TimeZone, Utc};
use kernel::Clock;
use serde_json::json;

use crate::client::Client;
use crate::{SECRET, Server, anon, config, user};

const ANN: &str = "11111111-1111-1111-1111-111111111111";

fn expired() -> String {
    testkit::token(SECRET, r#"{"role":"authenticated","exp":1000000000}"#)
}

#[actix_web::test]
async fn a_join_is_refused_in_upstreams_words() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let mut check = async |token: &str, expected: &str| {
        let reply = client.join_as("room", token, json!({})).await;
        let reason = reply["response"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with(expected), "{reason}");
    };
    check(&expired(), "InvalidJWTToken: Token has expired ").await;
    check("x", "MalformedJWT: The token provided is not a valid JWT").await;
    check("", "MalformedJWT: The token provided is not a valid JWT").await;
    let foreign = testkit::token("another secret of thirty-two bytes", r#"{"role":"anon"}"#);
    check(&foreign, "JwtSignatureError: Failed to validate JWT signature").await;
    let incomplete = testkit::token(SECRET, r#"{"sub":"x"}"#);
    check(&incomplete, "InvalidJWTToken: Fields `role` and `exp` are required in JWT").await;
    let id_token = r#"{"role":"authenticated","sub":"x","aud":"client","client_id":"client"}"#;
    check(&testkit::token(SECRET, id_token), "MalformedJWT: The token provided is not a valid JWT").await;
    // An opaque key stands for the key of the socket.
    assert_eq!(client.join_as("room", "sb_publishable_whatever", json!({})).await["status"], "ok");
}

#[actix_web::test]
async fn tokens_that_say_nothing_new_are_ignored() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let token = user(ANN);
    client.join_as("room", &token, json!({})).await;
    for token in [json!(null), json!("sb_publishable_abc"), json!(token)] {
        client.send("realtime:room", "access_token", json!({ "access_token": token })).await;
    }
    client.send("realtime:room", "access_token", json!(7)).await;
    let presence = client.send("realtime:room", "presence", json!({})).await;
    client.reply(&presence).await;
    assert!(client.settled().await.is_empty());
}

#[actix_web::test]
async fn a_bad_token_ends_its_channel_and_no_other() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.join("other", json!({ "broadcast": { "ack": true } })).await;
    for (token, message) in [
        (expired(), "Token has expired "),
        (String::new(), "The token provided is not a valid JWT"),
        (testkit::token(SECRET, r#"{"sub":"x"}"#), "Fields `role` and `exp` are required in JWT"),
    ] {
        client.join_as("room", &user(ANN), json!({})).await;
        client.send("realtime:room", "access_token", json!({ "access_token": token })).await;
        let told = client.event("system").await.payload;
        assert!(told["message"].as_str().unwrap().starts_with(message), "{told}");
        client.event("phx_close").await;
    }
    let reference = client.send("realtime:other", "broadcast", json!({})).await;
    assert_eq!(client.reply(&reference).await["status"], "ok");
}

#[actix_web::test]
async fn a_token_that_ends_takes_its_channel_along() {
    let start = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
    let clock = Clock::stopped(start);
    let server = Server::with(config(), clock.clone()).await;
    let long = testkit::token(SECRET, r#"{"role":"anon","exp":1900000000}"#);
    let short = testkit::token(SECRET, r#"{"role":"anon","exp":1800000001}"#);
    let mut client = Client::open(&server, 2, &long).await;
    assert_eq!(client.join_as("short", &short, json!({})).await["status"], "ok");
    client.join("long", json!({})).await;
    clock.advance(Duration::from_secs(5));
    let told = client.event("system").await.payload;
    assert_eq!(told["message"], "Token has expired 4 seconds ago");
    assert_eq!(client.event("phx_close").await.topic, "realtime:short");
    assert_eq!(client.join_as("again", &short, json!({})).await["status"], "error");
    // A token in time keeps the channel.
    let later = testkit::token(SECRET, r#"{"role":"anon","exp":1800000007}"#);
    assert_eq!(client.join_as("kept", &later, json!({})).await["status"], "ok");
    client.send("realtime:kept", "access_token", json!({ "access_token": long + " " })).await;
    let presence = client.send("realtime:kept", "presence", json!({})).await;
    client.reply(&presence).await;
    assert!(client.settled().await.is_empty());
}
