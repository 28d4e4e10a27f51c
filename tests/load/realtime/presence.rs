//! Presence: people who come, say something new, and go.

use std::time::Duration;

use serde_json::json;
use tests::load::server::Basalt;

use super::broadcasts::paced;
use super::crowd::{Crowd, nanos};
use super::outcome::Measured;

const MEMBERS: usize = 100;

/// A hundred on one topic; a hundred times a second one of them appears or disappears.
pub async fn churn(basalt: &Basalt, duration: Duration) {
    const TOPIC: &str = "realtime:lounge";
    let crowd = Crowd::open(basalt, MEMBERS).await;
    crowd.join(|_| TOPIC.to_owned(), &json!({ "presence": { "enabled": true } })).await;
    let measured = Measured::begin(basalt, &crowd);
    let sent = paced(duration, 100, async |n| {
        let said = json!({ "t": format!("{:019}", nanos()), "status": "here" });
        // Everybody appears first, then everybody disappears, and so on.
        let call = match n / MEMBERS as u64 % 2 {
            0 => json!({ "type": "presence", "event": "track", "payload": said }),
            _ => json!({ "type": "presence", "event": "untrack" }),
        };
        crowd.say(n as usize % MEMBERS, TOPIC, "presence", &call).await;
    })
    .await;
    measured.end(basalt, &crowd, "presence of 100, 100 changes/s", sent, sent * MEMBERS as u64).await;
}
