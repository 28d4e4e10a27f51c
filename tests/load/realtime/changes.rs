//! Row changes, under row-level security, to users who are all different.

use std::time::Duration;

use serde_json::json;
use tests::load::server::Basalt;

use super::broadcasts::paced;
use super::crowd::Crowd;
use super::outcome::Measured;

const USERS: usize = 500;

/// A hundred rows a second: first rows that all may see because they are members, then rows that one of them owns.
pub async fn to_many_users(basalt: &Basalt, duration: Duration) {
    basalt.load_with(include_str!("changes.sql"), &[("users", USERS)]);
    let tokens = basalt.value(&format!(
        "select string_agg(bench.token('{}', n), ' ' order by n) from generate_series(1, {USERS}) n",
        basalt.key("JWT_SECRET")
    ));
    for (name, table, expected) in [
        ("changes 100/s -> 500 users, all", "bench_news", USERS as u64),
        ("changes 100/s -> 1 of 500", "bench_notes", 1),
    ] {
        let crowd = Crowd::open(basalt, USERS).await;
        let wanted = json!({ "postgres_changes": [{ "event": "*", "schema": "public", "table": table }] });
        for (socket, token) in tokens.split(' ').enumerate() {
            crowd.ask_to_join(socket, &format!("realtime:{table}"), &wanted, Some(token)).await;
        }
        if !all_subscribed(&crowd).await {
            println!("{name:<34} skipped: this server does not deliver row changes");
            return;
        }
        let mut psql = basalt.psql_session();
        let measured = Measured::begin(basalt, &crowd);
        let sent = paced(duration, 100, async |n| {
            psql.run(&format!(
                "insert into public.{table} (owner) values (bench.id({}));",
                1 + n % USERS as u64
            ));
        })
        .await;
        measured.end(basalt, &crowd, name, sent, sent * expected).await;
    }
}

/// Waits for the word that changes flow; a server that cannot tell all at once tells the rest later.
async fn all_subscribed(crowd: &Crowd) -> bool {
    let tally = &crowd.tally;
    crowd.wait("answers", || tally.subscribed.get() + tally.unsubscribed.get() >= USERS as u64).await;
    if tally.subscribed.get() == 0 {
        return false;
    }
    crowd.wait("subscriptions", || tally.subscribed.get() >= USERS as u64).await;
    true
}
