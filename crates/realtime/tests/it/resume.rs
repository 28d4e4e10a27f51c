//! Clients that come back and say what they had last.

use std::time::Duration;

use kernel::Clock;
use kernel::units::{Bytes, Span};
use realtime::Config;
use serde_json::{Value, json};

use crate::changes::{ANN, BOB, sql, table};
use crate::client::{Client, Received};
use crate::holder::{durable, holds};
use crate::{Server, config, user};

const TABLES: &str = "
    create table public.own (id bigint primary key, owner uuid);
    grant select on public.own to authenticated;
    alter table public.own enable row level security;
    create policy own on public.own for select to authenticated using (owner = auth.uid());
    alter publication supabase_realtime add table public.own;";

async fn server(config: Config) -> Server {
    let server = Server::working_with(config, Clock::system()).await;
    sql(&server, TABLES).await;
    server
}

async fn insert(server: &Server, ids: std::ops::RangeInclusive<i64>, owner: &str) {
    for id in ids {
        sql(server, &format!("insert into public.own values ({id}, '{owner}')")).await;
    }
}

/// A client that says where it was.
async fn back(server: &Server, token: &str, since: &str) -> Client {
    let mut client = Client::open(server, 2, token).await;
    let wanted = json!({ "event": "*", "schema": "public", "table": "own", "since": since });
    let reply = client.join_as("room", token, json!({ "postgres_changes": [wanted.clone()] })).await;
    assert_eq!(reply["response"]["postgres_changes"][0]["since"], wanted["since"], "it is echoed");
    assert_eq!(client.event("system").await.payload["message"], "Subscribed to PostgreSQL");
    client
}

/// The next that a client is told: a row's id, a place, or an error.
async fn next(client: &mut Client) -> Value {
    let message: Received =
        client.take(|message| message.event == "postgres_changes" || message.event == "system").await;
    match message.event.as_str() {
        "postgres_changes" => message.payload["data"]["record"]["id"].clone(),
        _ if message.payload["extension"] == "position" => json!("position"),
        _ => message.payload["message"].clone(),
    }
}

async fn position(client: &mut Client) -> String {
    let payload = client.take(|message| message.payload["extension"] == "position").await.payload;
    assert_eq!((&payload["status"], &payload["channel"]), (&json!("ok"), &json!("room")));
    payload["message"].as_str().unwrap().to_owned()
}

/// The next of what a client is told, places aside.
async fn told(client: &mut Client, number: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < number {
        all.push(next(client).await);
        all.retain(|word| word != "position");
    }
    all
}

const FORGOTTEN: &str = "PostgreSQL changes behind the given position are not kept any more";

#[actix_web::test]
async fn who_comes_back_receives_what_it_missed_and_may_see() {
    let server = server(config()).await;
    let mut client = back(&server, &user(ANN), "").await;
    let first = position(&mut client).await;
    insert(&server, 1..=3, ANN).await;
    while next(&mut client).await != 3 {}
    let since = position(&mut client).await;
    client.vanish();
    insert(&server, 4..=6, ANN).await;
    insert(&server, 7..=8, BOB).await;
    sql(&server, "update public.own set owner = null where id = 5; delete from public.own where id = 6")
        .await;
    let mut client = back(&server, &user(ANN), &since).await;
    // Policies that compare with claims are judged on rows as they were; a deletion tells its key to everybody.
    insert(&server, 9..=9, ANN).await;
    let expected = [json!(4), json!(5), json!(6), Value::Null, json!(9)];
    assert_eq!(told(&mut client, 5).await, expected, "what she may see, in its order, none twice");
    let mut bob = back(&server, &user(BOB), &first).await;
    assert_eq!(told(&mut bob, 3).await, [json!(7), json!(8), Value::Null]);
}

#[actix_web::test]
async fn who_does_not_ask_is_told_nothing_of_it() {
    let server = server(config()).await;
    let mut client = crate::changes::subscribed(&server, &user(ANN), json!([table("own", "*")])).await;
    insert(&server, 1..=1, ANN).await;
    client.event("postgres_changes").await;
    assert!(client.settled().await.is_empty());
}

#[actix_web::test]
async fn who_comes_back_too_late_is_told() {
    let server = server(Config { resume_memory: Bytes(1_000), ..config() }).await;
    let mut client = back(&server, &user(ANN), "").await;
    let since = position(&mut client).await;
    insert(&server, 1..=9, ANN).await;
    told(&mut client, 9).await;
    client.vanish();
    for odd in [&*since, "0123abcd.0/1.1", "nonsense", "ffffffff.FFFFFFFF/FFFFFFFF.1"] {
        let mut client = back(&server, &user(ANN), odd).await;
        assert_eq!(told(&mut client, 1).await, [FORGOTTEN], "{odd}");
        insert(&server, 10..=10, ANN).await;
        sql(&server, "delete from public.own where id = 10").await;
        assert_eq!(told(&mut client, 2).await, [json!(10), Value::Null], "but it goes on");
        client.vanish();
    }
    let switched_off = Config { resume_window: Span(Duration::ZERO), ..config() };
    let server = self::server(switched_off).await;
    let mut client = back(&server, &user(ANN), &since).await;
    insert(&server, 1..=1, ANN).await;
    assert_eq!(next(&mut client).await, 1);
    assert!(client.settled().await.is_empty(), "nothing is kept, and no place is told");
}

#[actix_web::test]
async fn with_a_durable_slot_a_restart_is_nothing() {
    let server = server(durable()).await;
    holds(&server).await;
    let mut client = back(&server, &user(ANN), "").await;
    insert(&server, 1..=3, ANN).await;
    while next(&mut client).await != 3 {}
    let since = position(&mut client).await;
    insert(&server, 4..=4, ANN).await;
    while next(&mut client).await != 4 {}
    let database = std::sync::Arc::clone(&server.database);
    server.kill();
    let insert = |id| format!("insert into public.own values ({id}, '{ANN}')");
    database.admin().await.batch(&insert(5)).await.unwrap();
    let server = Server::on(database, durable(), Clock::system()).await.at_work().await;
    holds(&server).await;
    let mut client = back(&server, &user(ANN), &since).await;
    sql(&server, &insert(6)).await;
    assert_eq!(told(&mut client, 3).await, [4, 5, 6]);
}
