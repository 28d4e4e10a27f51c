//! Several instances on one database.

use std::sync::Arc;

use kernel::Clock;
use serde_json::{Value, json};

use crate::client::{Client, Received, refused, url};
use crate::{Server, anon, config, service};

/// Two instances that know each other.
async fn two() -> (Server, Server) {
    let first = Server::working().await;
    let second = first.beside().await;
    acquainted(&first, &second).await;
    (first, second)
}

/// Returns when what is sent at one arrives at the other, in both directions.
pub(crate) async fn acquainted(first: &Server, second: &Server) {
    for (from, to) in [(first, second), (second, first)] {
        let mut receiver = Client::open(to, 2, &anon()).await;
        receiver.join("acquaintance", json!({})).await;
        let mut sender = Client::open(from, 2, &anon()).await;
        let topic = sender.join("acquaintance", json!({})).await;
        let arrived = |message: &Received| message.event == "broadcast";
        while !receiver.settled().await.iter().any(arrived) {
            sender.send(&topic, "broadcast", json!({ "event": "e" })).await;
            sender.settled().await;
        }
    }
}

fn with_key(key: &str) -> Value {
    json!({ "presence": { "enabled": true, "key": key } })
}

async fn track(client: &mut Client, topic: &str, n: i64) {
    let call = json!({ "type": "presence", "event": "track", "payload": { "n": n } });
    let reference = client.send(topic, "presence", call).await;
    client.reply(&reference).await;
}

/// Who joins or leaves by a diff.
fn names(diff: &Value, side: &str) -> Vec<String> {
    diff[side].as_object().into_iter().flat_map(|side| side.keys().cloned()).collect()
}

#[actix_web::test]
async fn broadcasts_reach_the_sockets_of_all_instances() {
    let (first, second) = two().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", json!({ "broadcast": { "self": true } })).await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", json!({})).await;
    let mut old = Client::open(&second, 1, &anon()).await;
    old.join("room", json!({})).await;
    for n in 0..50 {
        here.send(&topic, "broadcast", json!({ "type": "broadcast", "event": "t", "payload": { "n": n } }))
            .await;
    }
    for client in [&mut there, &mut old, &mut here] {
        for n in 0..50 {
            let heard = client.event("broadcast").await.payload;
            assert_eq!((&heard["event"], &heard["payload"]["n"]), (&json!("t"), &json!(n)), "in their order");
        }
    }
    here.push(&topic, "b", 0, "", &[0, 255, 7]).await;
    assert_eq!(there.event("broadcast").await.bytes, [0, 255, 7]);
    here.push(&topic, "j", 1, "", b"{\"a\":1}").await;
    assert_eq!(there.event("broadcast").await.payload["payload"], json!({ "a": 1 }));
    assert_eq!(old.event("broadcast").await.payload["event"], "j", "bytes have no form in version 1");
    let large = "x".repeat(1_000_000);
    here.send(&topic, "broadcast", json!({ "event": "l", "payload": large })).await;
    assert_eq!(there.event("broadcast").await.payload["payload"], large, "no notification could hold it");
}

#[actix_web::test]
async fn private_topics_stay_apart_on_other_instances_too() {
    let (first, second) = two().await;
    let mut sender = Client::open(&first, 2, &anon()).await;
    let private = json!({ "private": true });
    assert_eq!(sender.join_as("room", &service(), private.clone()).await["status"], "ok");
    let mut public = Client::open(&second, 2, &anon()).await;
    public.join("room", json!({})).await;
    let mut member = Client::open(&second, 2, &anon()).await;
    assert_eq!(member.join_as("room", &service(), private).await["status"], "ok");
    sender.send("realtime:room", "broadcast", json!({ "event": "secret" })).await;
    assert_eq!(member.event("broadcast").await.payload["event"], "secret");
    assert!(!public.settled().await.iter().any(|message| message.event == "broadcast"));
}

#[actix_web::test]
async fn presence_is_one_over_all_instances() {
    let (first, second) = two().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", with_key("here")).await;
    track(&mut here, &topic, 1).await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", with_key("there")).await;
    // It arrives with the state, or right behind it.
    let mut state = there.event("presence_state").await.payload;
    if state == json!({}) {
        state = there.event("presence_diff").await.payload["joins"].clone();
    }
    assert_eq!(state["here"]["metas"][0]["n"], 1);
    track(&mut there, &topic, 2).await;
    let joined = here
        .take(|message| message.event == "presence_diff" && message.payload["joins"]["there"].is_object())
        .await
        .payload;
    let reference = joined["joins"]["there"]["metas"][0]["phx_ref"].clone();
    track(&mut there, &topic, 3).await;
    let changed = here
        .take(|message| message.event == "presence_diff" && message.payload["leaves"]["there"].is_object())
        .await
        .payload;
    assert_eq!(changed["leaves"]["there"]["metas"][0]["phx_ref"], reference, "clients remove what they know");
    assert_eq!(changed["joins"]["there"]["metas"][0]["n"], 3);
    there.vanish();
    let left = here.take(|message| names(&message.payload, "leaves") == ["there"]).await.payload;
    assert!(names(&left, "joins").is_empty());
}

#[actix_web::test]
async fn an_instance_that_comes_later_learns_who_is_there() {
    let first = Server::working().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", with_key("here")).await;
    track(&mut here, &topic, 1).await;
    let second = first.beside().await;
    acquainted(&first, &second).await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", with_key("there")).await;
    assert_eq!(there.event("presence_state").await.payload["here"]["metas"][0]["n"], 1);
}

#[actix_web::test]
async fn who_was_present_at_an_instance_that_died_leaves_within_seconds() {
    let (first, second) = two().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", with_key("here")).await;
    here.event("presence_state").await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", with_key("there")).await;
    track(&mut there, &topic, 2).await;
    assert_eq!(names(&here.event("presence_diff").await.payload, "joins"), ["there"]);
    let killed = std::time::Instant::now();
    second.kill();
    assert_eq!(names(&here.event("presence_diff").await.payload, "leaves"), ["there"]);
    // Five seconds of silence, a second between two looks, and a busy machine.
    assert!(killed.elapsed().as_secs() < 10, "{:?}", killed.elapsed());
}

#[actix_web::test]
async fn an_instance_that_stops_takes_its_people_along_at_once() {
    let (first, mut second) = two().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", with_key("here")).await;
    here.event("presence_state").await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", with_key("there")).await;
    track(&mut there, &topic, 2).await;
    assert_eq!(names(&here.event("presence_diff").await.payload, "joins"), ["there"]);
    let retired = std::time::Instant::now();
    second.retire().await;
    assert_eq!(names(&here.event("presence_diff").await.payload, "leaves"), ["there"]);
    assert!(retired.elapsed().as_secs() < 4, "not by its silence");
}

#[actix_web::test]
async fn what_is_sent_while_an_instance_cannot_listen_is_not_lost() {
    let (first, second) = two().await;
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", with_key("here")).await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", with_key("there")).await;
    there.event("presence_state").await;
    let mut admin = first.database.admin().await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and query ilike 'listen%'";
    let cut: i64 = admin.query_one(cut, &[]).await.unwrap().get(0);
    assert!(cut >= 2, "both listen");
    for n in 0..20 {
        here.send(&topic, "broadcast", json!({ "event": "e", "payload": { "n": n } })).await;
    }
    track(&mut here, &topic, 1).await;
    for n in 0..20 {
        assert_eq!(there.event("broadcast").await.payload["payload"]["n"], n);
    }
    assert_eq!(names(&there.event("presence_diff").await.payload, "joins"), ["here"]);
}

#[actix_web::test]
async fn an_instance_that_is_alone_writes_nothing() {
    let server = Server::working().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let topic = client.join("room", with_key("k")).await;
    track(&mut client, &topic, 1).await;
    client.send(&topic, "broadcast", json!({ "event": "e" })).await;
    client.settled().await;
    let mut admin = server.database.admin().await;
    // The greeting of the start may be there, and holds nothing of this.
    let rows: i64 = admin
        .query_one("select count(*) from realtime.basalt_relay where number > 1", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 0);
}

#[actix_web::test]
async fn nobody_but_the_server_speaks_for_an_instance() {
    let (first, _second) = two().await;
    for role in ["anon", "authenticated", "service_role"] {
        let mut caller = first.database.caller(role, "{}").await;
        for sql in
            ["select 1 from realtime.basalt_relay", "insert into realtime.basalt_relay values (1, 1, '')"]
        {
            let error = caller.batch(sql).await.unwrap_err();
            assert_eq!(error.code(), Some("42501"), "{role}: {sql}");
            caller = first.database.caller(role, "{}").await;
        }
    }
    // A hint is no message.
    let mut client = Client::open(&first, 2, &anon()).await;
    let topic = client.join("room", json!({ "broadcast": { "self": true } })).await;
    let hints = "select pg_notify('basalt_relay', hint) from unnest(array['1 1', '7', 'x y', '-1 9223372036854775807']) hint";
    first.database.admin().await.batch(hints).await.unwrap();
    client.send(&topic, "broadcast", json!({ "event": "e" })).await;
    assert_eq!(client.event("broadcast").await.payload["event"], "e");
}

#[actix_web::test]
async fn sockets_are_counted_over_all_instances() {
    let limited = || realtime::Config { max_sockets: 5, ..config() };
    let first = Server::working_with(limited(), Clock::system()).await;
    let second = Server::on(Arc::clone(&first.database), limited(), Clock::system()).await.at_work().await;
    acquainted(&first, &second).await;
    let query = format!("vsn=2.0.0&apikey={}", anon());
    let enter = async |server: &Server| {
        // Sockets of before may still be counted.
        let entering = async || tokio_tungstenite::connect_async(url(server, &query)).await;
        loop {
            match entering().await {
                Ok(socket) => return socket,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(enter(&first).await);
    }
    // The other one hears of it within a second.
    while let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url(&second, &query)).await {
        socket.close(None).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(refused(&second, &query).await, (429, json!({ "error": "Too many connected users" })));
    assert!(second.realtime.metrics().contains("basalt_realtime_used{limit=\"sockets\"} 5"));
    // An instance that is gone uses nothing.
    drop(sockets);
    first.kill();
    drop(enter(&second).await);
}

#[actix_web::test]
async fn an_instance_may_be_told_to_stay_alone() {
    let first = Server::working().await;
    let config = realtime::Config { relay: realtime::Relay::None, ..config() };
    let second = Server::on(Arc::clone(&first.database), config, Clock::system()).await;
    assert_eq!(second.realtime.tasks().len() + 1, first.realtime.tasks().len());
}
