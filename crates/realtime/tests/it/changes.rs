//! Row changes: subscriptions, payloads, filters, policies.

use serde_json::{Value, json};

use crate::client::{Client, Received};
use crate::{Server, anon, service, user};

pub(crate) const ANN: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const BOB: &str = "22222222-2222-4222-8222-222222222222";

const OPEN: &str = "
    create table public.t (id bigint primary key, a text, n int);
    grant select on public.t to anon, authenticated, service_role;
    alter publication supabase_realtime add table public.t;";

const OWN: &str = "
    create table public.own (id bigint primary key, owner uuid, v text, hidden text);
    alter table public.own enable row level security;
    revoke all on public.own from anon, authenticated;
    grant select (id, owner, v) on public.own to authenticated;
    grant select on public.own to service_role;
    create policy own on public.own for select to authenticated using ((select auth.uid()) = owner);
    alter publication supabase_realtime add table public.own;";

/// A server whose database has these tables.
pub(crate) async fn server(tables: &str) -> Server {
    let server = Server::working().await;
    sql(&server, tables).await;
    server
}

pub(crate) async fn sql(server: &Server, text: &str) {
    server.database.admin().await.batch(text).await.unwrap();
}

pub(crate) fn table(name: &str, event: &str) -> Value {
    json!({ "event": event, "schema": "public", "table": name })
}

/// Joins, and returns the ids and what the client was told.
pub(crate) async fn subscribe(
    client: &mut Client,
    name: &str,
    token: &str,
    wanted: Value,
) -> (Vec<u64>, Value) {
    let reply = client.join_as(name, token, json!({ "postgres_changes": wanted })).await;
    assert_eq!(reply["status"], "ok", "{reply}");
    let echoed = reply["response"]["postgres_changes"].as_array().unwrap();
    let ids = echoed.iter().map(|element| element["id"].as_u64().unwrap()).collect();
    (ids, client.event("system").await.payload)
}

/// A client that receives what it wants.
pub(crate) async fn subscribed(server: &Server, token: &str, wanted: Value) -> Client {
    let mut client = Client::open(server, 2, &anon()).await;
    let (_, told) = subscribe(&mut client, "room", token, wanted).await;
    let expected = json!({ "extension": "postgres_changes", "status": "ok", "channel": "room",
                           "message": "Subscribed to PostgreSQL" });
    assert_eq!(told, expected);
    client
}

fn is_change(message: &Received) -> bool {
    message.event == "postgres_changes"
}

async fn change(client: &mut Client) -> Value {
    client.take(is_change).await.payload["data"].take()
}

/// Changes that came before one that everybody sees.
async fn before_the_end(server: &Server, client: &mut Client) -> Vec<Value> {
    let mut changes = Vec::new();
    sql(server, "insert into public.fence default values").await;
    loop {
        let change = change(client).await;
        if change["table"] == "fence" {
            return changes;
        }
        changes.push(change);
    }
}

/// A table that tells that all before it has come.
const FENCE: &str = "
    create table public.fence (id int primary key generated always as identity);
    grant select on public.fence to anon, authenticated, service_role;
    alter publication supabase_realtime add table public.fence;";

#[actix_web::test]
async fn insertions_updates_and_deletions() {
    let server = server(OPEN).await;
    for version in [1, 2] {
        let mut client = Client::open(&server, version, &anon()).await;
        let (ids, told) = subscribe(&mut client, "room", &anon(), json!([table("t", "*")])).await;
        assert_eq!(told["message"], "Subscribed to PostgreSQL");
        sql(&server, "insert into public.t values (1, 'x')").await;
        let received = client.take(is_change).await;
        assert_eq!((&received.topic, &received.reference), (&"realtime:room".to_owned(), &Value::Null));
        assert_eq!(received.payload["ids"], json!(ids));
        let mut data = received.payload["data"].clone();
        let at = data["commit_timestamp"].take();
        let at = at.as_str().unwrap();
        assert_eq!((at.len(), &at[23..]), (24, "Z"), "{at}");
        let columns = json!([{ "name": "id", "type": "int8" }, { "name": "a", "type": "text" },
                             { "name": "n", "type": "int4" }]);
        let expected = json!({ "schema": "public", "table": "t", "type": "INSERT", "commit_timestamp": null,
                               "columns": columns, "record": { "id": 1, "a": "x", "n": null }, "errors": null });
        assert_eq!(data, expected);
        sql(&server, "update public.t set a = 'y'").await;
        let data = change(&mut client).await;
        assert_eq!((&data["type"], &data["old_record"]), (&json!("UPDATE"), &json!({ "id": 1 })));
        assert_eq!(data["record"], json!({ "id": 1, "a": "y", "n": null }));
        sql(&server, "update public.t set id = 2").await;
        assert_eq!(change(&mut client).await["old_record"], json!({ "id": 1 }));
        sql(&server, "delete from public.t").await;
        let data = change(&mut client).await;
        assert_eq!((&data["type"], &data["old_record"]), (&json!("DELETE"), &json!({ "id": 2 })));
        assert_eq!(data.get("record"), None);
    }
}

#[actix_web::test]
async fn one_message_has_the_ids_of_all_that_match() {
    let server = server(OPEN).await;
    let mut client = Client::open(&server, 2, &anon()).await;
    let filtered = |event: &str, filter: &str| json!({ "event": event, "schema": "public", "table": "t", "filter": filter });
    let wanted = json!([filtered("INSERT", "n=eq.5"), filtered("*", "n=gt.4"), filtered("*", "n=lt.4"),
                        table("t", "DELETE"), { "event": "INSERT", "schema": "public" }]);
    let (ids, _) = subscribe(&mut client, "room", &anon(), wanted).await;
    sql(&server, "insert into public.t values (1, 'x', 5)").await;
    let mut received: Vec<u64> =
        serde_json::from_value(client.take(is_change).await.payload["ids"].clone()).unwrap();
    let mut expected = vec![ids[0], ids[1], ids[4]];
    received.sort_unstable();
    expected.sort_unstable();
    assert_eq!(received, expected);
    assert!(!client.settled().await.iter().any(is_change));
}

#[actix_web::test]
async fn what_is_not_possible_is_told() {
    let server = server(OPEN).await;
    let unable = "Unable to subscribe to changes with given parameters.";
    for (wanted, message) in [
        (
            table("nope", "INSERT"),
            format!(
                "{unable} Please check Realtime is enabled for the given connect parameters: [event: INSERT, schema: \
                 public, table: nope, filters: [], select: nil]"
            ),
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "t", "filter": "n=eq.abc" }),
            format!(
                "{unable} An exception happened so please check your connect parameters: [event: *, schema: public, \
                 table: t, filters: [{{\"n\", \"eq\", \"abc\", false}}], select: nil]. Exception: ERROR 22P02 \
                 (invalid_text_representation) invalid input syntax for type integer: \"abc\""
            ),
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "t", "select": ["zzz"] }),
            format!(
                "{unable} An exception happened so please check your connect parameters: [event: *, schema: public, \
                 table: t, filters: [], select: [\"zzz\"]]. Exception: ERROR P0001 (raise_exception) invalid column \
                 for select zzz"
            ),
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "t", "filter": "n=foo.hey" }),
            "Error parsing `filter` params: [\"foo\", \"hey\"]".to_owned(),
        ),
    ] {
        let mut client = Client::open(&server, 2, &anon()).await;
        let (_, told) = subscribe(&mut client, "room", &anon(), json!([wanted])).await;
        assert_eq!((&told["status"], &told["message"]), (&json!("error"), &json!(message)));
    }
}

#[actix_web::test]
async fn rows_are_for_those_who_may_see_them() {
    let server = server(&format!("{OWN}{FENCE}")).await;
    let wanted = json!([table("own", "*"), table("fence", "*")]);
    let mut ann = subscribed(&server, &user(ANN), wanted.clone()).await;
    let mut bob = subscribed(&server, &user(BOB), wanted.clone()).await;
    let mut boss = subscribed(&server, &service(), wanted.clone()).await;
    sql(
        &server,
        &format!(
            "insert into public.own values (1, '{ANN}', 'a', 'h'), (2, '{BOB}', 'b', 'h'), (3, null, 'c', 'h');
             update public.own set owner = '{BOB}' where id = 1;
             delete from public.own where id = 2;"
        ),
    )
    .await;
    let ids = |changes: &[Value]| -> Vec<(String, i64)> {
        let id = |change: &Value| {
            let row = change.get("record").unwrap_or(&change["old_record"]);
            (change["type"].as_str().unwrap().to_owned(), row["id"].as_i64().unwrap())
        };
        changes.iter().map(id).collect()
    };
    let changes = before_the_end(&server, &mut ann).await;
    let own = |kind: &str, id| (kind.to_owned(), id);
    assert_eq!(ids(&changes), [own("INSERT", 1), own("DELETE", 2)]);
    assert_eq!(changes[0]["record"], json!({ "id": 1, "owner": ANN, "v": "a" }), "nothing hidden");
    let changes = before_the_end(&server, &mut bob).await;
    assert_eq!(ids(&changes), [own("INSERT", 2), own("UPDATE", 1), own("DELETE", 2)]);
    let changes = before_the_end(&server, &mut boss).await;
    assert_eq!(changes.len(), 5);
    assert_eq!(changes[0]["record"]["hidden"], "h");
}

#[actix_web::test]
async fn policies_that_read_other_tables_are_asked() {
    let server = server(&format!(
        "{FENCE}
         create table public.team (name text, member uuid, primary key (name, member));
         grant select on public.team to authenticated;
         create table public.note (id int primary key, team text);
         alter table public.note enable row level security;
         grant select on public.note to authenticated;
         create policy mates on public.note for select to authenticated
           using (exists (select 1 from public.team t where t.name = team and t.member = auth.uid()));
         insert into public.team values ('red', '{ANN}'), ('blue', '{BOB}');
         alter publication supabase_realtime add table public.note;"
    ))
    .await;
    let wanted = json!([table("note", "*"), table("fence", "*")]);
    let mut ann = subscribed(&server, &user(ANN), wanted.clone()).await;
    let mut bob = subscribed(&server, &user(BOB), wanted).await;
    sql(&server, "insert into public.note values (1, 'red'), (2, 'blue'), (3, 'red')").await;
    let ids = |changes: Vec<Value>| -> Vec<i64> {
        changes.iter().map(|change| change["record"]["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(before_the_end(&server, &mut ann).await), [1, 3]);
    // It is asked for each change.
    sql(&server, &format!("delete from public.team where member = '{ANN}'")).await;
    sql(&server, "insert into public.note values (4, 'red')").await;
    assert!(before_the_end(&server, &mut ann).await.is_empty());
    assert_eq!(ids(before_the_end(&server, &mut bob).await), [2]);
}

#[actix_web::test]
async fn rights_that_end_end_at_once() {
    let server = server(&format!("{OWN}{FENCE}")).await;
    let wanted = json!([table("own", "*"), table("fence", "*")]);
    let mut ann = subscribed(&server, &user(ANN), wanted.clone()).await;
    let insert = |id: i32| format!("insert into public.own values ({id}, '{ANN}', 'a', 'h')");
    sql(&server, &insert(1)).await;
    assert_eq!(change(&mut ann).await["record"]["id"], 1);
    sql(&server, &format!("drop policy own on public.own; {}", insert(2))).await;
    assert!(before_the_end(&server, &mut ann).await.is_empty());
    sql(&server, "create policy own on public.own for select using (true)").await;
    sql(&server, &insert(3)).await;
    assert_eq!(change(&mut ann).await["record"]["id"], 3);
    sql(&server, &format!("revoke select (v) on public.own from authenticated; {}", insert(4))).await;
    assert_eq!(change(&mut ann).await["record"], json!({ "id": 4, "owner": ANN }));
    sql(&server, &format!("revoke select on public.own from authenticated; {}", insert(5))).await;
    let data = change(&mut ann).await;
    assert_eq!((&data["errors"], &data["record"]), (&json!(["Error 401: Unauthorized"]), &json!({})));
    sql(&server, &format!("alter table public.own disable row level security; {}", insert(6))).await;
    assert_eq!(change(&mut ann).await["errors"], json!(["Error 401: Unauthorized"]));
}

#[actix_web::test]
async fn a_new_token_is_a_new_eye() {
    let server = server(&format!("{OWN}{FENCE}")).await;
    let wanted = json!([table("own", "*"), table("fence", "*")]);
    let mut client = subscribed(&server, &user(ANN), wanted).await;
    let topic = "realtime:room";
    client.send(topic, "access_token", json!({ "access_token": user(BOB) })).await;
    assert_eq!(client.event("system").await.payload["message"], "Subscribed to PostgreSQL");
    let rows = |id: i32| {
        format!("insert into public.own values ({id}, '{ANN}', 'a', 'h'), ({}, '{BOB}', 'b', 'h')", id + 1)
    };
    sql(&server, &rows(1)).await;
    let changes = before_the_end(&server, &mut client).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["record"]["id"], 2);
    // Another role, which sees all.
    client.send(topic, "access_token", json!({ "access_token": service() })).await;
    assert_eq!(client.event("system").await.payload["status"], "ok");
    sql(&server, &rows(3)).await;
    assert_eq!(before_the_end(&server, &mut client).await.len(), 2);
    // And one that is told what it may not know.
    client.send(topic, "access_token", json!({ "access_token": anon() })).await;
    client.event("system").await;
    sql(&server, &rows(5)).await;
    let changes = before_the_end(&server, &mut client).await;
    assert!(
        changes.iter().all(|change| change["errors"] == json!(["Error 401: Unauthorized"])),
        "{changes:?}"
    );
    let left = client.send(topic, "phx_leave", json!({})).await;
    client.reply(&left).await;
    sql(&server, &rows(7)).await;
    assert!(!client.settled().await.iter().any(is_change));
}

#[actix_web::test]
async fn errors_take_the_place_of_rows() {
    let server = server(
        "create table public.nokey (v text);
         create table public.large (id int primary key, v text, small int);
         grant select on public.nokey, public.large to anon;
         alter publication supabase_realtime add table public.nokey, public.large;",
    )
    .await;
    let mut client = subscribed(&server, &anon(), json!([table("nokey", "*"), table("large", "*")])).await;
    sql(&server, "insert into public.nokey values ('x')").await;
    let expected = json!({ "schema": "public", "table": "nokey", "type": "INSERT", "commit_timestamp": null,
                           "columns": [], "record": {}, "errors": ["Error 400: Bad Request, no primary key"] });
    assert_eq!(change(&mut client).await, expected);
    sql(&server, "insert into public.large values (1, repeat('x', 1100000), 5)").await;
    let data = change(&mut client).await;
    assert_eq!(data["errors"], json!(["Error 413: Payload Too Large"]));
    assert_eq!(data["record"], json!({ "id": 1, "small": 5 }));
    // A large value that did not change is not in the log.
    sql(&server, "alter table public.large alter v set storage external; update public.large set v = repeat('y', 9000)")
        .await;
    assert_eq!(change(&mut client).await["record"]["v"].as_str().map(str::len), Some(9000));
    sql(&server, "update public.large set small = 6").await;
    let data = change(&mut client).await;
    assert_eq!(data["record"], json!({ "id": 1, "small": 6 }));
    sql(&server, "alter table public.large replica identity full; update public.large set small = 7").await;
    let data = change(&mut client).await;
    assert_eq!(data["record"]["v"].as_str().map(str::len), Some(9000));
    assert_eq!(data["old_record"]["small"], 6);
}

#[actix_web::test]
async fn filters_of_every_kind() {
    let server = server(&format!(
        "{FENCE}
         create type public.mood as enum ('sad', 'happy');
         create table public.f (id int primary key, v text, b boolean, at timestamptz, x float8, m public.mood);
         grant select on public.f to anon;
         alter publication supabase_realtime add table public.f;"
    ))
    .await;
    for (index, (filter, yes, no)) in [
        ("v=eq.\"a,b\"", "v = 'a,b'", "v = 'a'"),
        ("v=in.(p,\"q,r\")", "v = 'q,r'", "v = 'q'"),
        ("v=ilike.AB%", "v = 'abc'", "v = 'xab'"),
        ("v=match.^a.c$", "v = 'abc'", "v = 'abcd'"),
        ("v=gte.b,v=lt.c", "v = 'bb'", "v = 'c'"),
        ("v=not.is.null", "v = ''", "v = null"),
        ("b=is.true", "b = true", "b = null"),
        ("at=gt.2024-01-02", "at = '2024-01-03'", "at = '2024-01-01'"),
        ("x=lte.1.5", "x = 1.5", "x = 'NaN'"),
        ("m=gt.sad", "m = 'happy'", "m = 'sad'"),
        ("m=eq.sad", "m = 'sad'", "m = null"),
        ("v=isdistinct.x", "v = null", "v = 'x'"),
    ]
    .into_iter()
    .enumerate()
    {
        let wanted = json!({ "event": "UPDATE", "schema": "public", "table": "f", "filter": filter });
        let mut client = subscribed(&server, &anon(), json!([wanted, table("fence", "*")])).await;
        sql(
            &server,
            &format!(
                "insert into public.f values ({index});
                 update public.f set v = null, b = null, at = null, x = null, m = null, {no} where id = {index};
                 update public.f set {yes} where id = {index};"
            )
            .replace("v = null, b = null, at = null, x = null, m = null, v", "v")
            .replace("b = null, at = null, x = null, m = null, b", "b")
            .replace("at = null, x = null, m = null, at", "at")
            .replace("x = null, m = null, x", "x")
            .replace("m = null, m", "m"),
        )
        .await;
        let changes = before_the_end(&server, &mut client).await;
        assert_eq!(changes.len(), 1, "{filter}: {changes:?}");
    }
}

#[actix_web::test]
async fn old_clients_have_a_topic_of_their_own() {
    let server = server(OPEN).await;
    let mut client = Client::open(&server, 1, &anon()).await;
    let reply = client.ask("public:t:n=eq.1", json!({ "user_token": anon() })).await;
    assert_eq!(reply["status"], "ok");
    assert_eq!(client.event("system").await.payload["message"], "Subscribed to PostgreSQL");
    sql(&server, "insert into public.t values (1, 'x', 2), (2, 'y', 1)").await;
    let received = client.event("INSERT").await;
    assert_eq!(
        (&*received.topic, &received.payload["record"]["id"]),
        ("realtime:public:t:n=eq.1", &json!(2))
    );
}

#[actix_web::test]
async fn the_order_is_that_of_the_commits() {
    let server = server(OPEN).await;
    let mut client = subscribed(&server, &anon(), json!([table("t", "INSERT")])).await;
    sql(&server, "insert into public.t select g, 'x', g from generate_series(1, 900) g").await;
    for number in 1..=900 {
        assert_eq!(change(&mut client).await["record"]["id"], number);
    }
}
