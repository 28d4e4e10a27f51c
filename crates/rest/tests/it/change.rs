//! The schema changes while requests are answered.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use kernel::Stop;
use serde_json::json;

use crate::service::{Answer, Caller, Service};

/// How long a change may take to be seen.
const SEEN: Duration = Duration::from_secs(1);

/// Repeats a request until it is answered as wanted; returns how long that took.
async fn until(service: &Service, path: &str, wanted: impl Fn(&Answer) -> bool) -> Duration {
    let started = Instant::now();
    loop {
        let answer = service.get(path).await;
        if wanted(&answer) {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{path}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a request may be answered with while the schema is being changed. A relation, column or
/// function that is gone is the client's error, whether the cache or the database says so.
fn check(seen: &mut BTreeMap<String, usize>, path: &str, answer: &Answer) {
    let outcome = match answer.status {
        200 | 201 => answer.status.to_string(),
        _ => answer.code(),
    };
    let gone = ["42P01", "42703", "42883", "PGRST200", "PGRST202", "PGRST204", "PGRST205"];
    assert!(
        ["200", "201"].contains(&outcome.as_str()) || gone.contains(&outcome.as_str()),
        "{path}: {answer:?}"
    );
    *seen.entry(outcome).or_default() += 1;
}

#[actix_web::test]
async fn a_change_under_load_is_seen_soon_and_breaks_nothing() {
    let service = Service::start().await;
    let (stop, stopped) = Stop::pair();
    let task = service.task();
    let watch = tokio::spawn(async move { task.run(stopped).await });
    let mut admin = service.database.admin().await;
    admin
        .batch(
            "create table moods (id int primary key, name text);
             insert into moods select g, 'mood ' || g from generate_series(1, 50) g;
             create function mood_count() returns bigint language sql stable as 'select count(*) from moods'",
        )
        .await
        .unwrap();
    until(&service, "/moods?limit=1", |answer| answer.status == 200).await;
    until(&service, "/rpc/mood_count", |answer| answer.status == 200).await;

    let is_over = Cell::new(false);
    let reader = async |start: usize| {
        let mut seen = BTreeMap::new();
        let mut turn = start;
        while !is_over.get() {
            let path =
                ["/moods", "/moods?select=id,name&id=lte.20", "/moods?select=*&order=id", "/rpc/mood_count"]
                    [turn % 4];
            let answer = service.get(path).await;
            check(&mut seen, path, &answer);
            if answer.status == 200 && path.starts_with("/moods") {
                let rows = answer.json();
                let wanted = if path.contains("lte.20") { 20 } else { 50 };
                assert_eq!(rows.as_array().map(Vec::len), Some(wanted), "{path}: {answer:?}");
                assert!(rows[0]["id"].is_number(), "{path}: {answer:?}");
            }
            let id = format!(r#"{{"id":{turn},"value":1}}"#);
            let upsert = [("prefer", "resolution=merge-duplicates")];
            let answer = service.send(Caller::Service, "POST", "/counters", &upsert, &id).await;
            check(&mut seen, "/counters", &answer);
            turn += 1;
        }
        seen
    };
    let changes = async {
        let mut slowest = Duration::ZERO;
        for round in 0..6 {
            admin
                .batch(&format!("alter table moods add column extra_{round} int default {round}"))
                .await
                .unwrap();
            let path = format!("/moods?select=extra_{round}&limit=1");
            let seen = until(&service, &path, |answer| {
                answer.json() == json!([{ format!("extra_{round}"): round }])
            });
            slowest = slowest.max(seen.await);
            admin
                .batch(&format!(
                    "create function fresh_{round}() returns int language sql as 'select {round}'"
                ))
                .await
                .unwrap();
            let path = format!("/rpc/fresh_{round}");
            slowest = slowest.max(until(&service, &path, |answer| answer.text == round.to_string()).await);
            admin.batch("alter table moods alter column name type varchar using name || ''").await.unwrap();
            admin
                .batch(
                    "begin; drop table moods cascade; create table moods (id int primary key, name text);
                     insert into moods select g, 'again ' || g from generate_series(1, 50) g; commit",
                )
                .await
                .unwrap();
            let renewed = |answer: &Answer| answer.json()[0]["name"] == "again 1";
            slowest = slowest.max(until(&service, "/moods?order=id&limit=1", renewed).await);
            admin.batch(&format!("alter table counters add column added_{round} text")).await.unwrap();
            admin.batch(&format!("drop function fresh_{round}()")).await.unwrap();
            slowest = slowest.max(until(&service, &path, |answer| answer.code() == "PGRST202").await);
        }
        is_over.set(true);
        slowest
    };
    let (slowest, seen) = join(changes, join_all((0..6).map(reader))).await;
    assert!(slowest < SEEN, "a change was seen after {slowest:?}");
    let answered: usize = seen.iter().filter_map(|seen| seen.get("200")).sum();
    assert!(answered > 50, "{seen:?}");
    stop.stop();
    watch.await.unwrap();
}
