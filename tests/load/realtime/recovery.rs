//! How soon row changes come again after Postgres was killed.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::load::server::Basalt;

use super::crowd::Crowd;

const KILLS: usize = 5;

/// Between two kills: a Postgres that ends more often within a minute is started later and later.
const APART: usize = 62;

/// How long a kill may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLE: &str = "
    create table public.bench_recovery (
      id bigint generated always as identity primary key,
      t text not null default (extract(epoch from clock_timestamp()) * 1000000000)::bigint::text
    );
    grant select on public.bench_recovery to anon;
    alter publication supabase_realtime add table public.bench_recovery;";

/// Kills Postgres again and again, each time until a row that was written after it arrives.
pub async fn of_postgres(basalt: &Basalt) {
    basalt.sql(TABLE);
    let crowd = Crowd::open(basalt, 1).await;
    let wanted =
        json!({ "postgres_changes": [{ "event": "*", "schema": "public", "table": "bench_recovery" }] });
    crowd.ask_to_join(0, "realtime:recovery", &wanted, None).await;
    crowd.wait("the subscription", || crowd.tally.subscribed.get() >= 1).await;
    let mut took = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        for _ in 0..APART {
            // A socket that says nothing is closed.
            crowd.say(0, "phoenix", "heartbeat", &json!({})).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (before, killed_at) = (crowd.tally.delivered.get(), Instant::now());
        let kill = ["-KILL", &basalt.postmaster().to_string()];
        assert!(std::process::Command::new("kill").args(kill).status().unwrap().success());
        while crowd.tally.delivered.get() == before {
            assert!(killed_at.elapsed() < PATIENCE, "changes do not come again");
            // Nothing is written before there is a Postgres again.
            let _ = basalt.value("insert into public.bench_recovery default values returning id");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        took.push(killed_at.elapsed());
    }
    took.sort_unstable();
    let seconds = |index: usize| took.get(index).map_or(0.0, Duration::as_secs_f64);
    println!(
        "{:<34} {KILLS} kills of Postgres: p50 {:.2} s, max {:.2} s until changes come again",
        "recovery",
        seconds(KILLS / 2),
        seconds(KILLS - 1)
    );
}
