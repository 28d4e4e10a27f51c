//! Sockets that do nothing but be there.

use std::time::Duration;

use serde_json::json;
use tests::load::cpu;
use tests::load::server::Basalt;

use super::crowd::Crowd;

const SOCKETS: usize = 10_000;

/// Ten thousand sockets, first on no channel, then on one each, alive by their heartbeats.
pub async fn idle(basalt: &Basalt) {
    let memory = async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cpu::resident(basalt.pid()) * 1024
    };
    let before = memory().await;
    let each = |after: u64| after.saturating_sub(before) / SOCKETS as u64;
    let crowd = Crowd::open(basalt, SOCKETS).await;
    println!("10000 sockets, on no channel: {} bytes each", each(memory().await));
    crowd.join(|n| format!("realtime:home{}", n / 10), &json!({})).await;
    println!("10000 sockets, on a channel each: {} bytes each", each(memory().await));
    let others = crowd.tally.others.get();
    for socket in 0..SOCKETS {
        crowd.say(socket, "phoenix", "heartbeat", &json!({})).await;
    }
    crowd.wait("heartbeats", || crowd.tally.others.get() >= others + SOCKETS as u64).await;
    println!("10000 sockets, after a heartbeat: {} bytes each", each(memory().await));
    drop(crowd);
    println!("after they are gone: {:.1} MB", memory().await as f64 / 1_048_576.0);
}
