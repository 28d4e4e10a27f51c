//! Runs the services' background tasks and starts again what ends too early.

use std::time::Duration;

use futures_util::FutureExt;
use kernel::{Stop, Task};
use tokio::task::JoinSet;

/// A task that ran at least this long starts again without delay.
const HEALTHY: Duration = Duration::from_secs(60);

/// Runs `tasks` until they are told to stop.
pub(crate) fn run(tasks: Vec<Task>, stop: &Stop) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn(keep(task, stop.clone()));
    }
    running
}

async fn keep(task: Task, mut stop: Stop) {
    let mut pause = Duration::from_secs(1);
    while !stop.is_stopped() {
        let started = tokio::time::Instant::now();
        let run = std::panic::AssertUnwindSafe(task.run(stop.clone())).catch_unwind().await;
        if stop.is_stopped() {
            return;
        }
        match run {
            Ok(()) => tracing::warn!(task = task.name(), "ended too early; starting it again"),
            Err(_) => tracing::error!(task = task.name(), "panicked; starting it again"),
        }
        pause = if started.elapsed() > HEALTHY { Duration::from_secs(1) } else { (pause * 2).min(HEALTHY) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.stopped() => {}
        }
    }
}
