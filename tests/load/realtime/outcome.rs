//! What a scenario prints.

use std::time::{Duration, Instant};

use tests::load::cpu::{self, Cpu};
use tests::load::server::Basalt;

use super::crowd::Crowd;

/// The line above the figures.
pub fn head(basalt: &Basalt) {
    println!("idle memory of basalt: {:.1} MB", megabytes(basalt));
    println!(
        "{:<34} {:>8} {:>10} {:>9} {:>8} {:>8} {:>8} {:>6} {:>9} {:>9} {:>9} {:>8}",
        "scenario",
        "sent/s",
        "deliv/s",
        "delivered",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "lost",
        "basalt s",
        "pg s",
        "self s",
        "RSS MB"
    );
}

pub fn megabytes(basalt: &Basalt) -> f64 {
    cpu::resident(basalt.pid()) as f64 / 1024.0
}

/// A measurement that has begun.
pub struct Measured {
    began: Instant,
    cpu: Cpu,
    own: Duration,
    delivered: u64,
}

impl Measured {
    pub fn begin(basalt: &Basalt, crowd: &Crowd) -> Self {
        crowd.tally.ages.borrow_mut().clear();
        let delivered = crowd.tally.delivered.get();
        Self { cpu: Cpu::of(basalt), own: cpu::own(), delivered, began: Instant::now() }
    }

    /// Messages delivered since it began.
    pub fn delivered(&self, crowd: &Crowd) -> u64 {
        crowd.tally.delivered.get() - self.delivered
    }

    /// Waits for what was sent and prints what was seen.
    pub async fn end(self, basalt: &Basalt, crowd: &Crowd, name: &str, sent: u64, expected: u64) {
        crowd.settle(self.delivered + expected).await;
        let elapsed = self.began.elapsed().as_secs_f64();
        let used = Cpu::of(basalt).since(&self.cpu);
        let own = cpu::own().saturating_sub(self.own);
        let delivered = self.delivered(crowd);
        let mut ages = crowd.tally.ages.borrow_mut();
        ages.sort_unstable();
        let percentile = |percent: usize| {
            let index = ages.len().saturating_sub(1) * percent / 100;
            ages.get(index).map_or(0.0, |age| f64::from(*age) / 1000.0)
        };
        println!(
            "{:<34} {:>8.0} {:>10.0} {:>9} {:>8.2} {:>8.2} {:>8.2} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>8.1}",
            name,
            sent as f64 / elapsed,
            delivered as f64 / elapsed,
            delivered,
            percentile(50),
            percentile(95),
            percentile(99),
            expected.saturating_sub(delivered),
            used.basalt.as_secs_f64(),
            used.postgres.as_secs_f64(),
            own.as_secs_f64(),
            megabytes(basalt),
        );
        if let Some(refusal) = &*crowd.tally.refusal.borrow() {
            println!("  REFUSED: {refusal}");
        }
        if crowd.tally.ended.get() > 0 {
            println!("  {} sockets were ended by the server", crowd.tally.ended.get());
        }
    }
}
