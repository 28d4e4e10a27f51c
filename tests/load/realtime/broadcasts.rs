//! Broadcasts: from one to many, in many rooms, and from the database.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::load::server::Basalt;

use super::crowd::{Crowd, stamp};
use super::outcome::Measured;
use super::socket;

/// Bytes of a payload, about what a chat message has.
const FILLER: &str = "0123456789012345678901234567890123456789012345678901234567890123456789";

const RECEIVERS: u64 = 1000;

/// Sends of one room that may be on their way when as much as possible is sent.
const WINDOW: u64 = 4;

fn payload() -> String {
    format!(r#"{{{},"text":"{FILLER}"}}"#, stamp())
}

/// One sender, a thousand receivers.
pub async fn fan_out(basalt: &Basalt, duration: Duration) {
    let crowd = Crowd::open(basalt, RECEIVERS as usize + 1).await;
    crowd.join(|_| "realtime:hall".to_owned(), &json!({ "broadcast": { "self": false } })).await;
    let send =
        async || socket::write(&crowd.sockets[0], &socket::broadcast("realtime:hall", &payload())).await;

    let measured = Measured::begin(basalt, &crowd);
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < duration {
        while sent * RECEIVERS > measured.delivered(&crowd) + WINDOW * RECEIVERS {
            tokio::task::yield_now().await;
        }
        send().await;
        sent += 1;
        tokio::task::yield_now().await;
    }
    measured.end(basalt, &crowd, "fan-out 1 -> 1000, all it can", sent, sent * RECEIVERS).await;

    let measured = Measured::begin(basalt, &crowd);
    let sent = paced(duration, 20, async |_| send().await).await;
    measured.end(basalt, &crowd, "fan-out 1 -> 1000, 20/s", sent, sent * RECEIVERS).await;
}

const ROOMS: usize = 100;
const MEMBERS: usize = 20;

/// A hundred rooms; in each, one of twenty speaks.
pub async fn rooms(basalt: &Basalt, duration: Duration) {
    let room = |n: usize| format!("realtime:room{}", n % ROOMS);
    let crowd = Crowd::open(basalt, ROOMS * MEMBERS).await;
    crowd.join(room, &json!({ "broadcast": { "self": false } })).await;
    let send = async |n: usize| {
        socket::write(&crowd.sockets[n], &socket::broadcast(&room(n), &payload())).await;
    };
    let others = MEMBERS as u64 - 1;

    let measured = Measured::begin(basalt, &crowd);
    let (began, mut sent) = (Instant::now(), 0u64);
    while began.elapsed() < duration {
        while sent * others > measured.delivered(&crowd) + WINDOW * ROOMS as u64 * others {
            tokio::task::yield_now().await;
        }
        send(sent as usize % ROOMS).await;
        sent += 1;
        if sent.is_multiple_of(16) {
            tokio::task::yield_now().await;
        }
    }
    measured.end(basalt, &crowd, "100 rooms of 20, all they can", sent, sent * others).await;

    let measured = Measured::begin(basalt, &crowd);
    let sent = paced(duration, 1000, async |n| send(n as usize % ROOMS).await).await;
    measured.end(basalt, &crowd, "100 rooms of 20, 1000/s", sent, sent * others).await;
}

/// A row of `realtime.messages` a hundred times a second, five hundred receivers.
pub async fn from_the_database(basalt: &Basalt, duration: Duration) {
    const LISTENERS: u64 = 500;
    let crowd = Crowd::open(basalt, LISTENERS as usize).await;
    crowd.join(|_| "realtime:news".to_owned(), &json!({})).await;
    let mut psql = basalt.psql_session();
    let measured = Measured::begin(basalt, &crowd);
    let sent = paced(duration, 100, async |_| {
        psql.run(
            "select realtime.send(jsonb_build_object('t', \
             (extract(epoch from clock_timestamp()) * 1000000000)::bigint::text), 'e', 'news', false);",
        );
    })
    .await;
    measured.end(basalt, &crowd, "realtime.send 100/s -> 500", sent, sent * LISTENERS).await;
}

/// Calls `send` so often a second; how often it was.
pub async fn paced(duration: Duration, per_second: u32, mut send: impl AsyncFnMut(u64)) -> u64 {
    let (began, pause) = (tokio::time::Instant::now(), Duration::from_secs(1) / per_second);
    let mut sent = 0;
    while began.elapsed() < duration {
        tokio::time::sleep_until(began + pause * u32::try_from(sent).unwrap_or(u32::MAX)).await;
        send(sent).await;
        sent += 1;
    }
    sent
}
