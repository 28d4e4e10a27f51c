//! Random policies and random writes: everybody receives what they could select at that moment, and nothing else.

use kernel::Clock;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use realtime::Config;
use serde_json::{Value, json};

use crate::changes::{ANN, BOB, sql, subscribed, table};
use crate::client::Client;
use crate::{Server, config};

const TABLES: &str = "
    create table public.box (id int primary key, owner uuid, team text, open boolean, n int, note text);
    create table public.member (who uuid, team text);
    create table public.fence (id int primary key generated always as identity);
    grant select on public.box, public.member, public.fence to anon, authenticated, service_role;
    create function public.is_mine(owner uuid) returns boolean language sql stable as 'select owner = auth.uid()';
    alter table public.box enable row level security;
    alter publication supabase_realtime add table public.box, public.fence;";

/// Some can be judged without the database, some cannot, some fail.
const CONDITIONS: [&str; 18] = [
    "true",
    "open",
    "not open",
    "owner = auth.uid()",
    "(select auth.uid()) = owner",
    "owner is null",
    "auth.uid() is not null",
    "team = (auth.jwt() ->> 'team')",
    "team <> coalesce(auth.jwt() ->> 'team', 'none')",
    "team in ('red', 'blue')",
    "auth.role() = 'anon'",
    "owner::text = (select auth.jwt() ->> 'sub')",
    "n > 5",
    "n = 3",
    "public.is_mine(owner)",
    "exists (select 1 from public.member m where m.who = auth.uid() and m.team = box.team)",
    "note like 'a%' and length(note) > 2",
    "10 / n > 1",
];

fn condition(random: &mut StdRng, depth: u32) -> String {
    let leaf = |random: &mut StdRng| (*CONDITIONS.choose(random).unwrap()).to_owned();
    if depth == 0 {
        return leaf(random);
    }
    match random.random_range(0..5) {
        0 => format!("({}) and ({})", condition(random, depth - 1), condition(random, depth - 1)),
        1 => format!("({}) or ({})", condition(random, depth - 1), condition(random, depth - 1)),
        2 => format!("not ({})", condition(random, depth - 1)),
        _ => leaf(random),
    }
}

fn policies(random: &mut StdRng) -> String {
    let mut sql = "do $$ declare p name; begin for p in select polname from pg_policy where polrelid = \
                   'public.box'::regclass loop execute format('drop policy %I on public.box', p); end loop; end $$;"
        .to_owned();
    for number in 0..random.random_range(0..4) {
        let kind = if random.random_bool(0.25) { "restrictive" } else { "permissive" };
        let to = ["public", "anon", "authenticated", "anon, authenticated"].choose(random).unwrap();
        let using = condition(random, 2);
        sql +=
            &format!("create policy p{number} on public.box as {kind} for select to {to} using ({using});");
    }
    sql
}

fn value<'a>(random: &mut StdRng, values: &[&'a str]) -> &'a str {
    values.choose(random).unwrap()
}

fn write(random: &mut StdRng, number: usize) -> String {
    let ann = format!("'{ANN}'");
    let bob = format!("'{BOB}'");
    let owner = value(random, &[&ann, &bob, "null"]).to_owned();
    let team = value(random, &["'red'", "'blue'", "'green'", "null"]);
    let open = value(random, &["true", "false", "null"]);
    let n = value(random, &["1", "3", "7", "null"]);
    let note = value(random, &["'abc'", "'xyz'", "null"]);
    if random.random_bool(0.5) {
        format!("insert into public.box values ({number}, {owner}, {team}, {open}, {n}, {note}) returning id")
    } else {
        format!(
            "update public.box set owner = {owner}, team = {team}, open = {open}, n = {n}, note = {note}
              where id = (select max(id) from public.box) returning id"
        )
    }
}

/// Changes of boxes up to the next fence.
async fn received(client: &mut Client) -> Vec<Value> {
    let mut changes = Vec::new();
    loop {
        let mut message = client.take(|message| message.event == "postgres_changes").await.payload;
        let data = message["data"].take();
        if data["table"] == "fence" {
            return changes;
        }
        changes.push(data["record"]["id"].clone());
    }
}

async fn everybody_receives_what_they_see(by_image: bool, seed: u64) {
    let config = Config { check_image: by_image, ..config() };
    let server = Server::working_with(config, Clock::system()).await;
    sql(&server, TABLES).await;
    sql(&server, &format!("insert into public.member values ('{ANN}', 'red'), ('{BOB}', 'green')")).await;
    let claims = |role: &str, more: Value| {
        let mut claims = json!({ "role": role });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    let callers = [
        claims("anon", json!({})),
        claims("authenticated", json!({ "sub": ANN, "team": "red" })),
        claims("authenticated", json!({ "sub": BOB, "team": "blue" })),
        claims("authenticated", json!({ "sub": "no uuid", "team": null })),
        claims("service_role", json!({})),
    ];
    let mut clients = Vec::new();
    for claims in &callers {
        let token = testkit::token(crate::SECRET, &claims.to_string());
        clients.push(subscribed(&server, &token, json!([table("box", "*"), table("fence", "*")])).await);
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut admin = server.database.admin().await;
    for round in 0..25 {
        let policies = policies(&mut random);
        admin.batch(&policies).await.unwrap();
        for step in 0..4 {
            let write = write(&mut random, 1 + round * 4 + step);
            let Some(row) = admin.query_opt(&write, &[]).await.unwrap() else { continue };
            let id: i32 = row.get(0);
            admin.batch("insert into public.fence default values").await.unwrap();
            for (claims, client) in callers.iter().zip(&mut clients) {
                let role = claims["role"].as_str().unwrap();
                // What the token has beyond these claims no condition asks for.
                let mut session = server.database.caller(role, &claims.to_string()).await;
                let sees = format!("select id from public.box where id = {id}");
                let received = received(client).await;
                // Whether a policy that may fail does depends on the order in which its parts are looked at.
                let Ok(rows) = session.query(&sees, &[]).await else { continue };
                let expected: Vec<Value> = rows.iter().map(|_| json!(id)).collect();
                assert_eq!(received, expected, "seed {seed}: {claims}: {write}: {policies}");
            }
        }
    }
}

#[actix_web::test]
async fn policies_decide_for_everybody() {
    everybody_receives_what_they_see(false, 7).await;
}

#[actix_web::test]
async fn policies_decide_by_the_row_as_it_was() {
    everybody_receives_what_they_see(true, 8).await;
}
