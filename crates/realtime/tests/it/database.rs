//! Messages that are written in the database: streamed, and replayed.

use serde_json::{Value, json};

use crate::client::{Client, Received};
use crate::{Server, anon, service};

/// A client on a private channel to which messages of the database flow.
async fn listening(server: &Server, name: &str) -> Client {
    let mut client = Client::open(server, 2, &anon()).await;
    join(&mut client, name, json!({ "replication_ready": true })).await;
    let told = client.event("system").await.payload;
    let expected = json!({ "extension": "system", "status": "ok", "channel": name,
                           "message": "Replication connection established" });
    assert_eq!(told, expected);
    client
}

async fn join(client: &mut Client, name: &str, broadcast: Value) {
    let config = json!({ "private": true, "broadcast": broadcast });
    let reply = client.join_as(name, &service(), config).await;
    assert_eq!(reply["status"], "ok", "{reply}");
}

async fn sql(server: &Server, text: &str) {
    server.database.admin().await.batch(text).await.unwrap();
}

fn broadcast(message: &Received) -> bool {
    message.event == "broadcast"
}

#[actix_web::test]
async fn what_is_sent_in_sql_arrives() {
    let server = Server::working().await;
    let mut private = listening(&server, "room").await;
    let mut public = Client::open(&server, 1, &anon()).await;
    public.join("room", json!({})).await;
    sql(&server, r#"select realtime.send('{"a": 1}', 'e', 'room')"#).await;
    let heard = private.event("broadcast").await.payload;
    assert_eq!((&heard["event"], &heard["payload"]["a"]), (&json!("e"), &json!(1)));
    assert_eq!(heard["payload"]["id"], heard["meta"]["id"]);
    assert_eq!(heard["meta"]["id"].as_str().unwrap().len(), 36);
    sql(&server, "select realtime.send_binary('\\x00ff10', 'b', 'room')").await;
    assert_eq!(private.event("broadcast").await.bytes, [0, 255, 16]);
    sql(&server, "select realtime.send('[]', 'p', 'room', false)").await;
    let heard = public.event("broadcast").await.payload;
    assert_eq!(
        (&heard["event"], &heard["payload"]),
        (&json!("p"), &json!([])),
        "and nothing of the private channel"
    );
    assert!(!private.settled().await.iter().any(broadcast));
}

#[actix_web::test]
async fn only_what_is_committed_is_sent_and_in_its_order() {
    let server = Server::working().await;
    let mut client = listening(&server, "room").await;
    sql(&server, "begin; select realtime.send('{}', 'no', 'room'); rollback").await;
    sql(&server, "select realtime.send('{}', 'e' || n, 'room') from generate_series(1, 20) n").await;
    for n in 1..=20 {
        assert_eq!(client.event("broadcast").await.payload["event"], format!("e{n}"));
    }
}

#[actix_web::test]
async fn questions_about_rights_and_odd_rows_are_no_messages() {
    let server = Server::working().await;
    let mut client = listening(&server, "room").await;
    sql(&server, "insert into realtime.messages (topic, extension) values ('room', 'broadcast')").await;
    sql(&server, "insert into realtime.messages (topic, extension, event, private) values ('room', 'broadcast', 'e', true)").await;
    sql(&server, "select realtime.send('{}', 'last', 'room')").await;
    assert_eq!(client.event("broadcast").await.payload["event"], "last");
}

#[actix_web::test]
async fn a_lost_stream_is_made_anew_without_a_word_to_clients() {
    let server = Server::working().await;
    let mut client = listening(&server, "room").await;
    let walsenders = "select pid from pg_stat_replication where pid in
                        (select pid from pg_stat_activity where datname = current_database())";
    let mut admin = server.database.admin().await;
    let pid: i32 = admin.query_one(walsenders, &[]).await.unwrap().get(0);
    admin.query("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let again = format!("select count(*) from ({walsenders} and pid <> $1) w");
    while admin.query_one(&again, &[&pid]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    // The server says that it streams a moment before it does.
    let mut second = listening(&server, "room").await;
    sql(&server, "select realtime.send('{}', 'e', 'room')").await;
    client.event("broadcast").await;
    second.event("broadcast").await;
    assert!(client.settled().await.is_empty());
}

#[actix_web::test]
async fn no_slot_outlives_its_stream() {
    let server = Server::working().await;
    listening(&server, "room").await;
    let slots = "select temporary from pg_replication_slots where database = current_database()";
    let slots = server.database.admin().await.query(slots, &[]).await.unwrap();
    assert_eq!(slots.iter().map(|row| row.get::<_, bool>(0)).collect::<Vec<_>>(), [true]);
}

#[actix_web::test]
async fn the_publication_is_made_right_again() {
    let server = Server::working().await;
    let administrator = db::Pool::new(&server.database.target(), db::PoolOptions::default());
    let tables = "select string_agg(tablename, ',') from pg_publication_tables
                   where pubname = 'supabase_realtime_messages_publication' and tablename not like 'messages%'";
    sql(
        &server,
        "create table public.t (id int primary key);
                  alter publication supabase_realtime_messages_publication add table public.t",
    )
    .await;
    realtime::prepare(&administrator).await.unwrap();
    let others: Option<String> = server.database.admin().await.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(others, None);
    sql(&server, "drop publication supabase_realtime_messages_publication").await;
    realtime::prepare(&administrator).await.unwrap();
}

#[actix_web::test]
async fn the_past_is_replayed_oldest_first_and_once() {
    let server = Server::start().await;
    for n in 0..5 {
        sql(&server, &format!("select realtime.send('{{\"n\": {n}}}', 'e', 'room')")).await;
    }
    sql(
        &server,
        "select realtime.send('{}', 'public', 'room', false); select realtime.send('{}', 'e', 'elsewhere');
                  select realtime.send_binary('\\x07', 'b', 'room')",
    )
    .await;
    for (version, bytes) in [(1, vec![]), (2, vec![vec![7]])] {
        let mut client = Client::open(&server, version, &anon()).await;
        join(&mut client, "room", json!({ "replay": { "since": 0, "limit": 4 } })).await;
        let heard = client.settled().await;
        let numbers: Vec<_> =
            heard.iter().filter_map(|heard| heard.payload["payload"]["n"].as_i64()).collect();
        assert_eq!(numbers, [2, 3, 4]);
        assert!(heard.iter().all(|heard| heard.payload["meta"]["replayed"] == true));
        let binary: Vec<_> =
            heard.iter().map(|heard| heard.bytes.clone()).filter(|bytes| !bytes.is_empty()).collect();
        assert_eq!(binary, bytes);
    }
    let mut client = Client::open(&server, 2, &anon()).await;
    join(&mut client, "room", json!({ "replay": { "since": 4_000_000_000_000i64 } })).await;
    assert!(client.settled().await.is_empty(), "nothing is that new");
}

#[actix_web::test]
async fn a_replay_that_cannot_be_is_refused() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let mut check = async |private: bool, replay: Value, expected: &str| {
        let config = json!({ "private": private, "broadcast": { "replay": replay } });
        let reply = client.join_as("room", &service(), config).await;
        assert_eq!(reply["response"]["reason"], format!("UnableToReplayMessages: {expected}"));
    };
    check(false, json!({ "since": 1 }), "Replay is not allowed for public channels").await;
    check(true, json!({ "since": "x" }), "Replay params are not valid").await;
    check(true, json!({ "since": i64::MAX }), "Replay params are not valid").await;
}
