//! The stream of changes when things happen to it: tables come and go, it is cut, the publication is missing.

use kernel::Clock;
use kernel::units::Span;
use realtime::Config;
use serde_json::{Value, json};

use crate::changes::{sql, subscribe, subscribed, table};
use crate::client::{Client, Received};
use crate::{Server, anon, config};

const TABLES: &str = "
    create table public.t (id int primary key);
    create table public.late (id int primary key);
    grant select on public.t, public.late to anon;
    alter publication supabase_realtime add table public.t;";

async fn server() -> Server {
    let config = Config { publication_check: Span(std::time::Duration::from_millis(50)), ..config() };
    let server = Server::working_with(config, Clock::system()).await;
    sql(&server, TABLES).await;
    server
}

fn is_change(message: &Received) -> bool {
    message.event == "postgres_changes"
}

async fn id(client: &mut Client) -> Value {
    client.take(is_change).await.payload["data"]["record"]["id"].take()
}

/// Waits until the client has been told that its changes flow, or that they do not.
async fn told(client: &mut Client, status: &str) -> Value {
    client.take(|message| message.event == "system" && message.payload["status"] == status).await.payload
}

#[actix_web::test]
async fn subscriptions_follow_the_publication() {
    let server = server().await;
    let mut all = subscribed(&server, &anon(), json!([{ "event": "INSERT", "schema": "public" }])).await;
    let mut late = Client::open(&server, 2, &anon()).await;
    let (_, refused) = subscribe(&mut late, "late", &anon(), json!([table("late", "*")])).await;
    assert_eq!(refused["status"], "error");
    sql(&server, "alter publication supabase_realtime add table public.late").await;
    assert_eq!(told(&mut late, "ok").await["message"], "Subscribed to PostgreSQL");
    told(&mut all, "ok").await;
    sql(&server, "insert into public.late values (1)").await;
    assert_eq!(id(&mut late).await, 1);
    assert_eq!(id(&mut all).await, 1);
    sql(&server, "alter publication supabase_realtime drop table public.late").await;
    told(&mut late, "error").await;
    told(&mut all, "ok").await;
    sql(&server, "insert into public.late values (2); insert into public.t values (3)").await;
    assert_eq!(id(&mut all).await, 3);
}

#[actix_web::test]
async fn a_stream_that_is_cut_comes_back_and_channels_stay() {
    let server = server().await;
    let mut client = subscribed(&server, &anon(), json!([table("t", "*")])).await;
    let cut = "select pg_terminate_backend(active_pid) from pg_replication_slots
                where database = current_database() and active_pid is not null";
    sql(&server, cut).await;
    let interrupted = told(&mut client, "error").await;
    assert_eq!(interrupted["extension"], "postgres_changes");
    assert_eq!(told(&mut client, "ok").await["message"], "Subscribed to PostgreSQL");
    sql(&server, "insert into public.t values (1)").await;
    assert_eq!(id(&mut client).await, 1);
    let slots = "select count(*) from pg_replication_slots where database = current_database()";
    let slots: i64 = server.database.admin().await.query_one(slots, &[]).await.unwrap().get(0);
    assert_eq!(slots, 1, "the old one is gone");
}

#[actix_web::test]
async fn without_its_publication_the_rest_goes_on() {
    let server = server().await;
    let mut client = subscribed(&server, &anon(), json!([table("t", "*")])).await;
    client.join("chat", json!({})).await;
    sql(&server, "drop publication supabase_realtime").await;
    let is_gone = |message: &Received| {
        message.payload["message"].as_str().is_some_and(|text| text.starts_with("Unable to subscribe"))
    };
    client.take(is_gone).await;
    client.settled().await;
    sql(&server, "create publication supabase_realtime for table public.t").await;
    told(&mut client, "ok").await;
    sql(&server, "insert into public.t values (1)").await;
    assert_eq!(id(&mut client).await, 1);
    let topic = "realtime:chat";
    sql(&server, "select realtime.send('{\"a\": 1}', 'e', 'chat', false)").await;
    assert_eq!(client.event("broadcast").await.topic, topic);
}

/// A commit is in the log, and so in the stream, before anybody can see what it did; here it stays there for a while.
#[actix_web::test]
async fn a_change_waits_until_it_can_be_seen() {
    let server = server().await;
    sql(
        &server,
        "create table public.pen (id int primary key);
         alter table public.pen enable row level security;
         create function public.may(id int) returns boolean language sql stable as 'select id > 0';
         create policy positive on public.pen for select to anon using (public.may(id));
         grant select on public.pen to anon;
         alter publication supabase_realtime add table public.pen;",
    )
    .await;
    let mut client = subscribed(&server, &anon(), json!([table("pen", "*")])).await;
    let mut writer = server.database.admin().await;
    let pid: i32 = writer.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let writing = tokio::spawn(async move {
        writer.batch("set synchronous_commit = on; insert into public.pen values (1)").await
    });
    let mut admin = server.database.admin().await;
    let waits = "select exists (select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep')";
    while !admin.query_one(waits, &[&pid]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!client.settled().await.iter().any(is_change), "nobody can see it");
    // It stands in the stream behind the one that waits, and would not come before it.
    admin.batch("insert into public.t values (7)").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!client.settled().await.iter().any(is_change));
    // The wait ends, and the commit with it.
    admin.execute("select pg_cancel_backend($1)", &[&pid]).await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(id(&mut client).await, 1);
}
