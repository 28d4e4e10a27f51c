//! One stream for all instances of a database: who reads it, what the others hear, and what becomes of it when the
//! one that reads it dies.

use std::time::{Duration, Instant};

use kernel::Clock;
use realtime::Config;
use serde_json::{Value, json};

use crate::changes::{ANN, BOB, sql, subscribed, table};
use crate::client::{Client, Received};
use crate::faults::figure;
use crate::instances::acquainted;
use crate::{Server, anon, config, user};

const TABLES: &str = "
    create table public.t (id bigint primary key generated always as identity, owner uuid);
    create table public.own (id bigint primary key, owner uuid);
    grant select on public.t, public.own to anon, authenticated;
    alter table public.own enable row level security;
    create function public.is_mine(owner uuid) returns boolean language sql stable as 'select owner = auth.uid()';
    create policy own on public.own for select to authenticated using (public.is_mine(owner));
    alter publication supabase_realtime add table public.t, public.own;";

const SLOTS: &str = "select count(*) from pg_replication_slots where database = current_database()";

pub(crate) fn durable() -> Config {
    Config { durable_slot: true, unbounded_slot: true, ..config() }
}

/// Two instances that know each other; the first reads the stream.
async fn two(config: Config) -> (Server, Server) {
    let first = Server::working_with(config.clone(), Clock::system()).await;
    sql(&first, TABLES).await;
    holds(&first).await;
    let second = Server::on(std::sync::Arc::clone(&first.database), config, Clock::system()).await;
    let second = second.at_work().await;
    acquainted(&first, &second).await;
    (first, second)
}

/// Returns when this instance reads the stream.
pub(crate) async fn holds(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while figure(server, "basalt_realtime_stream_held") == 0 {
        assert!(Instant::now() < deadline, "nobody takes the stream");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_change(message: &Received) -> bool {
    message.event == "postgres_changes"
}

async fn id(client: &mut Client) -> i64 {
    client.take(is_change).await.payload["data"]["record"]["id"].as_i64().unwrap()
}

async fn number(server: &Server, query: &str) -> i64 {
    server.database.admin().await.query_one(query, &[]).await.unwrap().get(0)
}

#[actix_web::test]
async fn one_instance_reads_for_all() {
    let (first, second) = two(config()).await;
    assert_eq!(number(&first, SLOTS).await, 1);
    assert_eq!(figure(&second, "basalt_realtime_stream_held"), 0);
    let wanted = json!([table("t", "INSERT"), table("own", "*")]);
    let mut here = subscribed(&first, &user(ANN), wanted.clone()).await;
    let mut ann = subscribed(&second, &user(ANN), wanted.clone()).await;
    let mut bob = subscribed(&second, &user(BOB), wanted).await;
    for _ in 0..5 {
        sql(&first, "insert into public.t (owner) select null from generate_series(1, 20)").await;
    }
    for client in [&mut here, &mut ann, &mut bob] {
        for expected in 1..=100 {
            assert_eq!(id(client).await, expected, "in their order");
        }
        assert!(!client.settled().await.iter().any(is_change), "and none twice");
    }
    // Each instance asks the policies for its own clients.
    sql(
        &first,
        &format!(
            "insert into public.own values (1, '{BOB}'), (2, '{ANN}'); insert into public.t default values"
        ),
    )
    .await;
    for (client, expected) in [(&mut here, [2, 101]), (&mut ann, [2, 101]), (&mut bob, [1, 101])] {
        assert_eq!([id(client).await, id(client).await], expected);
    }
    // A table that was altered is another one from then on, there too.
    sql(&first, "alter table public.t add column more text default 'x'; insert into public.t default values")
        .await;
    assert_eq!(
        bob.take(is_change).await.payload["data"]["record"],
        json!({ "id": 102, "owner": null, "more": "x" })
    );
    sql(&first, &format!("drop policy own on public.own; insert into public.own values (3, '{ANN}'); insert into public.t default values")).await;
    assert_eq!((id(&mut ann).await, id(&mut here).await), (102, 102));
    assert_eq!((id(&mut ann).await, id(&mut here).await), (103, 103));
}

#[actix_web::test]
async fn messages_of_the_database_reach_all_instances_once() {
    let (first, second) = two(config()).await;
    let mut clients = Vec::new();
    for server in [&first, &second] {
        let mut client = Client::open(server, 2, &anon()).await;
        client.join("chat", json!({})).await;
        clients.push(client);
    }
    sql(
        &first,
        "select realtime.send(jsonb_build_object('n', n), 'e', 'chat', false) from generate_series(1, 20) n",
    )
    .await;
    for client in &mut clients {
        for n in 1..=20 {
            assert_eq!(client.event("broadcast").await.payload["payload"]["n"], n);
        }
        assert!(client.settled().await.is_empty());
    }
}

/// What a client is told of its changes, up to the word that they flow.
async fn told(client: &mut Client) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let payload = client.event("system").await.payload;
        let is_over = payload["status"] == "ok";
        told.push(payload["message"].clone());
        if is_over {
            return told;
        }
    }
}

#[actix_web::test]
async fn another_takes_over_when_the_one_that_reads_dies() {
    let (first, second) = two(config()).await;
    let mut client = subscribed(&second, &anon(), json!([table("t", "INSERT")])).await;
    sql(&second, "insert into public.t default values").await;
    assert_eq!(id(&mut client).await, 1);
    let died = Instant::now();
    first.kill();
    holds(&second).await;
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    // Its slot went with it, so something may be missing, and the client knows.
    let told = told(&mut client).await;
    assert!(told.len() > 1, "{told:?}");
    assert_eq!(number(&second, SLOTS).await, 1);
    sql(&second, "insert into public.t default values").await;
    assert_eq!(id(&mut client).await, 2);
}

#[actix_web::test]
async fn a_durable_slot_is_taken_over_without_a_gap() {
    let (first, second) = two(durable()).await;
    let mut client = subscribed(&second, &anon(), json!([table("t", "INSERT")])).await;
    let insert = "insert into public.t default values";
    for _ in 0..20 {
        sql(&second, insert).await;
    }
    first.kill();
    for _ in 0..20 {
        sql(&second, insert).await;
    }
    holds(&second).await;
    for _ in 0..20 {
        sql(&second, insert).await;
    }
    for expected in 1..=60 {
        assert_eq!(id(&mut client).await, expected, "none is missing, none comes twice");
    }
    let rest = client.settled().await;
    assert!(!rest.iter().any(is_change));
    let lost = |message: &Received| message.payload["message"] == "PostgreSQL changes were lost";
    assert!(!rest.iter().any(lost));
    assert_eq!(number(&second, SLOTS).await, 1);
}

#[actix_web::test]
async fn a_durable_slot_stays_and_goes_when_it_is_not_wanted() {
    let mut server = Server::working_with(durable(), Clock::system()).await;
    holds(&server).await;
    server.retire().await;
    assert_eq!(number(&server, SLOTS).await, 1, "it waits for the next one");
    let next = Server::on(std::sync::Arc::clone(&server.database), config(), Clock::system()).await;
    let next = next.at_work().await;
    holds(&next).await;
    let temporary = format!("{SLOTS} and temporary");
    assert_eq!((number(&next, SLOTS).await, number(&next, &temporary).await), (1, 1));
}
