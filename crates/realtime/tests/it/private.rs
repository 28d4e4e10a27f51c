//! Private channels: policies decide, at the join and with every new token.

use serde_json::{Value, json};

use crate::client::Client;
use crate::{Server, anon, service, user};

const ANN: &str = "11111111-1111-1111-1111-111111111111";
const BOB: &str = "22222222-2222-2222-2222-222222222222";

/// Users read what begins with their id or `all:`; they write what they read, but for `:ro`. Nobody reads
/// presence where `:nop` is, nor broadcasts where `:nob` is.
const POLICIES: &str = "
    create policy reads on realtime.messages for select to authenticated using (
      (realtime.topic() like 'all:%' or realtime.topic() like (current_setting('request.jwt.claims')::json ->> 'sub') || ':%')
      and not (extension = 'presence' and realtime.topic() like '%:nop')
      and not (extension = 'broadcast' and realtime.topic() like '%:nob'));
    create policy writes on realtime.messages for insert to authenticated with check (
      (topic like 'all:%' or topic like (current_setting('request.jwt.claims')::json ->> 'sub') || ':%')
      and topic not like '%:ro');";

async fn server() -> Server {
    let server = Server::start().await;
    server.database.session_as("supabase_realtime_admin").await.batch(POLICIES).await.unwrap();
    server
}

fn private(more: Value) -> Value {
    let mut config = json!({ "private": true, "broadcast": { "ack": true } });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

async fn joined(server: &Server, name: &str, token: &str, more: Value) -> Client {
    let mut client = Client::open(server, 2, &anon()).await;
    let reply = client.join_as(name, token, private(more)).await;
    assert_eq!(reply["status"], "ok", "{reply}");
    client
}

#[actix_web::test]
async fn who_may_not_read_may_not_join() {
    let server = server().await;
    let refused = |name: &str| {
        json!({ "status": "error", "response": {
            "reason": format!("Unauthorized: You do not have permissions to read from this Channel topic: {name}") } })
    };
    let mut client = Client::open(&server, 2, &anon()).await;
    assert_eq!(client.ask("all:room", json!({ "config": private(json!({})) })).await, refused("all:room"));
    let name = format!("{ANN}:room");
    assert_eq!(client.join_as(&name, &user(BOB), private(json!({}))).await, refused(&name));
    assert_eq!(client.join_as(&name, &user(ANN), private(json!({}))).await["status"], "ok");
    // A role that policies do not bind.
    assert_eq!(client.join_as(&name, &service(), private(json!({}))).await["status"], "ok");
    // A role that does not exist is nobody.
    let odd = testkit::token(crate::SECRET, r#"{"role":"nobody_knows"}"#);
    assert_eq!(client.join_as(&name, &odd, private(json!({}))).await, refused(&name));
}

#[actix_web::test]
async fn nothing_that_was_asked_is_kept() {
    let server = server().await;
    let mut ann = joined(&server, "all:room", &user(ANN), json!({ "presence": { "enabled": true } })).await;
    let reference = ann.send("realtime:all:room", "broadcast", json!({ "event": "e" })).await;
    ann.reply(&reference).await;
    let count = "select count(*) from realtime.messages";
    let rows: i64 = server.database.admin().await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(rows, 0);
}

#[actix_web::test]
async fn private_and_public_do_not_mix() {
    let server = server().await;
    let mut ann = joined(&server, "all:room", &user(ANN), json!({})).await;
    let mut bob = joined(&server, "all:room", &user(BOB), json!({})).await;
    let mut outsider = Client::open(&server, 2, &anon()).await;
    outsider.join("all:room", json!({ "broadcast": { "ack": true } })).await;
    ann.push("realtime:all:room", "e", 1, "9", b"1").await;
    assert_eq!(ann.reply("9").await["status"], "ok");
    bob.event("broadcast").await;
    assert!(outsider.settled().await.is_empty());
    outsider.push("realtime:all:room", "e", 1, "9", b"2").await;
    outsider.reply("9").await;
    assert!(bob.settled().await.is_empty());
}

#[actix_web::test]
async fn who_may_not_write_is_met_with_silence() {
    let server = server().await;
    let mut ann = joined(&server, "all:ro", &user(ANN), json!({})).await;
    let mut bob = joined(&server, "all:ro", &user(BOB), json!({})).await;
    ann.push("realtime:all:ro", "e", 1, "9", b"1").await;
    // The channel has come to this when it answers what follows.
    let presence = ann.send("realtime:all:ro", "presence", json!({})).await;
    ann.reply(&presence).await;
    assert!(ann.settled().await.is_empty());
    assert!(bob.settled().await.is_empty());
}

#[actix_web::test]
async fn extensions_are_asked_one_by_one() {
    let server = server().await;
    let on = json!({ "presence": { "enabled": true, "key": "k" } });
    // No broadcasts, but presence.
    let mut ann = joined(&server, "all:x:nob", &user(ANN), on.clone()).await;
    ann.event("presence_state").await;
    let mut bob = joined(&server, "all:x:nob", &user(BOB), on.clone()).await;
    bob.push("realtime:all:x:nob", "e", 1, "9", b"1").await;
    assert_eq!(bob.reply("9").await["status"], "ok");
    assert!(ann.settled().await.is_empty());
    // Broadcasts, but no presence; one may say to be there and still not see who is.
    let mut ann = joined(&server, "all:x:nop", &user(ANN), on.clone()).await;
    let track = json!({ "event": "track", "payload": {} });
    let reference = ann.send("realtime:all:x:nop", "presence", track.clone()).await;
    assert_eq!(ann.reply(&reference).await["status"], "ok");
    assert!(ann.settled().await.is_empty());
    // To say to be there takes the right to write.
    let mut ann = joined(&server, "all:x:ro", &user(ANN), on).await;
    let reference = ann.send("realtime:all:x:ro", "presence", track).await;
    assert_eq!(ann.reply(&reference).await, json!({ "status": "error", "response": {} }));
}

#[actix_web::test]
async fn presence_of_a_private_topic_is_for_those_who_may_read_it() {
    let server = server().await;
    let on = json!({ "presence": { "enabled": true, "key": "ann" } });
    let mut ann = joined(&server, "all:room", &user(ANN), on).await;
    let mut bob = joined(&server, "all:room", &user(BOB), json!({})).await;
    let track = json!({ "event": "track", "payload": {} });
    let reference = ann.send("realtime:all:room", "presence", track.clone()).await;
    ann.reply(&reference).await;
    assert!(bob.settled().await.is_empty(), "who joined without presence has not been asked about it");
    // Saying to be there asks.
    let reference = bob.send("realtime:all:room", "presence", track).await;
    bob.reply(&reference).await;
    bob.event("presence_diff").await;
}

#[actix_web::test]
async fn policies_see_headers_topic_and_claims() {
    let server = server().await;
    let policy = "create policy by_header on realtime.messages for select to anon using (
        current_setting('request.headers')::json ->> 'x-door' = 'open'
        and current_setting('request.headers')::json ->> 'x-api-key' is null
        and current_setting('request.jwt.claim.role') = 'anon'
        and realtime.topic() = 'door')";
    server.database.session_as("supabase_realtime_admin").await.batch(policy).await.unwrap();
    let key = anon();
    let headers = [("x-api-key", key.as_str()), ("x-door", "open")];
    let mut client = Client::with_headers(&server, "vsn=2.0.0", &headers).await;
    client.join("door", private(json!({}))).await;
    let mut client = Client::open(&server, 2, &key).await;
    let reply = client.ask("door", json!({ "config": private(json!({})) })).await;
    assert_eq!(reply["status"], "error");
}

#[actix_web::test]
async fn a_missing_partition_and_a_failing_policy_are_told_apart() {
    let server = server().await;
    let broken =
        "create policy broken on realtime.messages for select to anon using (1 / length(topic) * 0 = 1 / 0)";
    server.database.session_as("supabase_realtime_admin").await.batch(broken).await.unwrap();
    let mut client = Client::open(&server, 2, &anon()).await;
    let config = json!({ "config": private(json!({})) });
    let reply = client.ask("all:room", config.clone()).await;
    assert!(reply["response"]["reason"].as_str().unwrap().starts_with("Unauthorized: "), "{reply}");
    let drop = "do $$ declare r regclass; begin
      for r in select inhrelid::regclass from pg_inherits where inhparent = 'realtime.messages'::regclass loop
        execute format('drop table %s', r);
      end loop; end $$";
    server.database.admin().await.batch(drop).await.unwrap();
    let reply = client.ask("all:other", config).await;
    let reason = "MissingPartition: Realtime was unable to find the expected messages partition";
    assert_eq!(reply["response"]["reason"], reason);
}

#[actix_web::test]
async fn rights_that_end_with_a_new_token_end_the_channel() {
    let server = server().await;
    let topic = "realtime:all:room";
    let mut ann = joined(&server, "all:room", &user(ANN), json!({})).await;
    let mut bob = joined(&server, "all:room", &user(BOB), json!({})).await;
    // Another token of the same kind changes nothing, and what may be written is asked anew.
    ann.send(topic, "access_token", json!({ "access_token": user(BOB) })).await;
    ann.push(topic, "e", 1, "9", b"1").await;
    ann.reply("9").await;
    bob.event("broadcast").await;
    bob.send(topic, "access_token", json!({ "access_token": anon() + " " })).await;
    let told = bob.event("system").await.payload;
    assert_eq!(told["message"], "You do not have permissions to read from this Channel topic: all:room");
    bob.event("phx_close").await;
    ann.push(topic, "e", 1, "10", b"1").await;
    ann.reply("10").await;
    assert!(bob.settled().await.is_empty(), "nothing after the end");
}
