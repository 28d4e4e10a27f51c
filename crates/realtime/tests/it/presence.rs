//! Who is there.

use serde_json::{Value, json};

use crate::client::Client;
use crate::{Server, anon};

fn with_key(key: &str) -> Value {
    json!({ "presence": { "enabled": true, "key": key } })
}

async fn track(client: &mut Client, topic: &str, payload: Value) -> Value {
    let call = json!({ "type": "presence", "event": "TRACK", "payload": payload });
    let reference = client.send(topic, "presence", call).await;
    client.reply(&reference).await
}

#[actix_web::test]
async fn state_joins_updates_and_leaves() {
    let server = Server::start().await;
    for version in [1, 2] {
        let mut client = Client::open(&server, version, &anon()).await;
        let topic = client.join("room", with_key("k")).await;
        assert_eq!(client.event("presence_state").await.payload, json!({}));
        assert_eq!(
            track(&mut client, &topic, json!({ "n": 1 })).await,
            json!({ "status": "ok", "response": {} })
        );
        let first = client.event("presence_diff").await.payload;
        let meta = &first["joins"]["k"]["metas"][0];
        assert_eq!((&meta["n"], &first["leaves"]), (&json!(1), &json!({})));
        track(&mut client, &topic, json!({ "n": 1 })).await;
        assert!(client.settled().await.is_empty(), "the same again is no change");
        track(&mut client, &topic, json!({ "n": 2 })).await;
        let second = client.event("presence_diff").await.payload;
        assert_eq!(second["joins"]["k"]["metas"][0]["phx_ref_prev"], meta["phx_ref"]);
        assert_eq!(second["leaves"]["k"]["metas"][0]["phx_ref"], meta["phx_ref"]);
        let untrack = client.send(&topic, "presence", json!({ "event": "untrack" })).await;
        client.reply(&untrack).await;
        let third = client.event("presence_diff").await.payload;
        assert_eq!(third["joins"], json!({}));
        assert_eq!(third["leaves"]["k"]["metas"][0]["phx_ref"], second["joins"]["k"]["metas"][0]["phx_ref"]);
    }
}

#[actix_web::test]
async fn a_lost_socket_leaves_and_newcomers_get_the_state() {
    let server = Server::start().await;
    let mut first = Client::open(&server, 2, &anon()).await;
    let topic = first.join("room", with_key("first")).await;
    track(&mut first, &topic, json!({ "who": 1 })).await;
    let mut second = Client::open(&server, 2, &anon()).await;
    second.join("room", with_key("second")).await;
    let state = second.event("presence_state").await;
    assert_eq!(state.payload["first"]["metas"][0]["who"], 1);
    assert_eq!(state.join_ref, "1");
    first.vanish();
    let diff = second.event("presence_diff").await;
    assert_eq!(
        diff.payload["leaves"]["first"]["metas"][0]["phx_ref"],
        state.payload["first"]["metas"][0]["phx_ref"]
    );
    assert_eq!(diff.join_ref, Value::Null);
}

#[actix_web::test]
async fn a_key_may_be_shared_and_is_made_up_where_none_is_given() {
    let server = Server::start().await;
    for n in [1, 2] {
        let mut client = Client::open(&server, 2, &anon()).await;
        let topic = client.join("room", with_key("same")).await;
        track(&mut client, &topic, json!({ "n": n })).await;
        // It stays.
        tokio::spawn(async move { client.end().await });
    }
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", with_key("")).await;
    let state = client.event("presence_state").await.payload;
    assert_eq!(state["same"]["metas"].as_array().unwrap().len(), 2);
    track(&mut client, &topic, json!({})).await;
    let diff = client.event("presence_diff").await.payload;
    assert_eq!(diff["joins"].as_object().unwrap().keys().next().unwrap().len(), 36);
}

#[actix_web::test]
async fn on_public_topics_everybody_is_told() {
    let server = Server::start().await;
    let mut silent = Client::open(&server, 2, &anon()).await;
    let topic = silent.join("room", json!({})).await;
    assert!(silent.settled().await.is_empty(), "who did not ask gets no state");
    assert_eq!(track(&mut silent, &topic, json!({ "a": 1 })).await["status"], "ok");
    silent.event("presence_diff").await;
}

#[actix_web::test]
async fn what_is_no_object_or_no_call_is_refused() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", with_key("k")).await;
    let reply = track(&mut client, &topic, json!("x")).await;
    let reason = json!({ "reason": "Presence track payload must be a map" });
    assert_eq!(reply, json!({ "status": "error", "response": reason }));
    let odd = client.send(&topic, "presence", json!({ "event": "dance" })).await;
    assert_eq!(client.reply(&odd).await, json!({ "status": "error", "response": {} }));
}

#[actix_web::test]
async fn too_many_calls_end_the_channel() {
    let settings = realtime::Config { max_presence_calls: 2, ..crate::config() };
    let server = Server::with(settings, kernel::Clock::system()).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", with_key("k")).await;
    for n in 0..2 {
        track(&mut client, &topic, json!({ "n": n })).await;
    }
    client.send(&topic, "presence", json!({ "event": "track", "payload": {} })).await;
    let told = client.event("system").await.payload;
    assert_eq!(told["message"], "Client presence rate limit exceeded");
    assert_eq!(
        (&told["extension"], &told["status"], &told["channel"]),
        (&json!("system"), &json!("error"), &json!("room"))
    );
    client.event("phx_close").await;
}
