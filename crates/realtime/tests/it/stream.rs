//! The stream of changes when things happen to it: tables come and go, it is cut, the publication is missing.

use kernel::Clock;
use kernel::units::Span;
use realtime::Config;
use serde_json::{Value, json};

use crate::changes::{ANN, BOB, sql, subscribe, subscribed, table};
use crate::client::{Client, Received};
use crate::{Server, anon, config, user};

const TABLES: &str = "
    create table public.t (id int primary key);
    create table public.late (id int primary key);
    grant select on public.t, public.late to anon, authenticated;
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
struct Held {
    writing: tokio::task::JoinHandle<Result<(), db::Error>>,
    pid: i32,
}

impl Held {
    async fn new(server: &Server, writes: &str) -> Self {
        let mut writer = server.database.admin().await;
        let pid: i32 = writer.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
        let writes = format!("begin; set local synchronous_commit = on; {writes}; commit");
        let writing = tokio::spawn(async move {
            // A test that fails is not there to release it, and other tests' streams would wait for it.
            writer.batch("set statement_timeout = '60s'").await?;
            writer.batch(&writes).await?;
            writer.batch("reset statement_timeout").await
        });
        let mut admin = server.database.admin().await;
        let waits = "select exists (select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep')";
        while !admin.query_one(waits, &[&pid]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Self { writing, pid }
    }

    /// The wait ends, and the commit with it.
    async fn release(self, server: &Server) {
        let mut admin = server.database.admin().await;
        admin.execute("select pg_cancel_backend($1)", &[&self.pid]).await.unwrap();
        self.writing.await.unwrap().unwrap();
    }
}

/// Its policy cannot be judged without the database.
const PEN: &str = "
    create table public.member (who uuid primary key);
    grant select on public.member to anon, authenticated;
    create table public.pen (id int primary key, owner uuid);
    alter table public.pen enable row level security;
    create function public.may(owner uuid) returns boolean language sql stable as
      'select owner = auth.uid() and exists (select from public.member where who = auth.uid())';
    create policy own on public.pen for select to authenticated using (public.may(owner));
    grant select on public.pen to authenticated, service_role;
    alter publication supabase_realtime add table public.pen;";

async fn members(server: &Server) -> (Client, Client) {
    sql(server, &format!("{PEN} insert into public.member values ('{ANN}'), ('{BOB}')")).await;
    let wanted = json!([table("pen", "*"), table("t", "*")]);
    let ann = subscribed(server, &user(ANN), wanted.clone()).await;
    (ann, subscribed(server, &user(BOB), wanted).await)
}

/// The changes of a pen up to one that everybody hears of: what happened, and to which row.
async fn heard(server: &Server, clients: [&mut Client; 2]) -> Vec<Vec<(String, Value)>> {
    sql(server, "insert into public.t select count(*) + 100 from public.t").await;
    let mut all = Vec::new();
    for client in clients {
        let mut changes = Vec::new();
        loop {
            let data = client.take(is_change).await.payload["data"].take();
            if data["table"] == "t" {
                break;
            }
            let row = data.get("record").unwrap_or(&data["old_record"]);
            changes.push((data["type"].as_str().unwrap().to_owned(), row["id"].clone()));
        }
        all.push(changes);
    }
    all
}

fn was(kind: &str, id: i32) -> (String, Value) {
    (kind.to_owned(), json!(id))
}

#[actix_web::test]
async fn a_change_waits_until_it_can_be_seen() {
    let server = server().await;
    let (mut ann, mut bob) = members(&server).await;
    let held = Held::new(&server, &format!("insert into public.pen values (1, '{ANN}')")).await;
    assert!(!ann.settled().await.iter().any(is_change), "nobody can see it");
    // It stands in the stream behind the one that waits, and would not come before it.
    sql(&server, "insert into public.t values (7)").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!ann.settled().await.iter().any(is_change));
    assert!(!bob.settled().await.iter().any(is_change));
    held.release(&server).await;
    assert_eq!(id(&mut ann).await, 1);
    assert_eq!((id(&mut ann).await, id(&mut bob).await), (json!(7), json!(7)));
}

/// Before a transaction can be seen, policies would look at what it changes as it was.
#[actix_web::test]
async fn nobody_is_told_because_of_what_was_before() {
    for check_image in [false, true] {
        let server = Server::working_with(Config { check_image, ..config() }, Clock::system()).await;
        sql(&server, TABLES).await;
        let (mut ann, mut bob) = members(&server).await;
        sql(&server, &format!("insert into public.pen values (1, '{ANN}')")).await;
        let changes = heard(&server, [&mut ann, &mut bob]).await;
        assert_eq!(changes, [vec![was("INSERT", 1)], vec![]]);
        let held = Held::new(&server, &format!("update public.pen set owner = '{BOB}'")).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        held.release(&server).await;
        let changes = heard(&server, [&mut ann, &mut bob]).await;
        assert_eq!(changes, [vec![], vec![was("UPDATE", 1)]], "it is not the first one's any more");
        // What one may see depends on another table, too.
        let held = format!(
            "delete from public.member where who = '{BOB}'; insert into public.pen values (2, '{BOB}')"
        );
        let held = Held::new(&server, &held).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        held.release(&server).await;
        let changes = heard(&server, [&mut ann, &mut bob]).await;
        assert_eq!(changes, [vec![], vec![]], "who is no member any more");
    }
}

#[actix_web::test]
async fn what_is_gone_at_once_is_told_of_to_whom_it_concerned() {
    let server = server().await;
    let (mut ann, mut bob) = members(&server).await;
    let mut admin = server.database.admin().await;
    for round in 0..40 {
        let number = round * 3;
        // Each is a transaction of its own, and nothing is between them.
        for writes in [
            format!("insert into public.pen values ({number}, '{ANN}')"),
            format!("insert into public.pen values ({}, '{BOB}')", number + 1),
            format!("delete from public.pen where id in ({number}, {})", number + 1),
            format!(
                "begin; insert into public.pen values ({}, '{ANN}'); delete from public.pen; commit",
                number + 2
            ),
        ] {
            admin.batch(&writes).await.unwrap();
        }
        let deletions = [number, number + 1, number + 2].map(|id| was("DELETE", id));
        // What a transaction took back itself was never there for anybody; its policies would have let the owner see it.
        let of_ann = [
            was("INSERT", number),
            deletions[0].clone(),
            deletions[1].clone(),
            was("INSERT", number + 2),
            deletions[2].clone(),
        ];
        let of_bob =
            [was("INSERT", number + 1), deletions[0].clone(), deletions[1].clone(), deletions[2].clone()];
        let changes = heard(&server, [&mut ann, &mut bob]).await;
        assert_eq!(changes, [of_ann.to_vec(), of_bob.to_vec()]);
    }
}

/// A commit that waits holds up only those who are to hear of it.
#[actix_web::test]
async fn a_row_is_asked_about_although_others_cannot_be_seen_yet() {
    let server = server().await;
    sql(&server, "create table public.other (id int primary key); alter publication supabase_realtime add table public.other").await;
    let (mut ann, _bob) = members(&server).await;
    let held = Held::new(&server, "insert into public.other values (1)").await;
    sql(&server, &format!("insert into public.pen values (1, '{ANN}')")).await;
    assert_eq!(id(&mut ann).await, 1);
    held.release(&server).await;
}
