//! Keeping the server alive: restart after a crash with growing pauses, give up when it does not help, stop on request.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    State, StopError,
    process::Process,
    server::{Server, asked, shut_down},
};

/// Pauses before the first, second … restart within [`WINDOW`]; one failure more is the end.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
const WINDOW: Duration = Duration::from_secs(60);
/// Children of a dead postmaster; [`crate::leftover`] deals with those that stay longer.
const CHILDREN: Duration = Duration::from_secs(1);

/// Runs until the server is stopped or given up. The last state says how it ended, and comes when the data directory is
/// free for another start; it stays `Running` only when the server would not stop.
pub(crate) async fn supervise(
    server: Server,
    process: Process,
    state: watch::Sender<State>,
    stop: watch::Receiver<bool>,
) {
    match watch_over(server, process, &state, stop).await {
        Ok(end) => drop(state.send_replace(end)),
        Err(error) => tracing::error!(%error, "Postgres does not stop"),
    }
}

async fn watch_over(
    server: Server,
    mut process: Process,
    state: &watch::Sender<State>,
    mut stop: watch::Receiver<bool>,
) -> Result<State, StopError> {
    let mut failures = Failures::default();
    loop {
        state.send_replace(State::Running { pid: process.pid() });
        let status = tokio::select! {
            status = process.ended() => status,
            () = asked(&mut stop) => return shut_down(&process).await.map(|()| State::Stopped),
        };
        process.log_closed(CHILDREN).await;
        let reason = format!("Postgres ended ({status}): {}", process.log.tail());
        match revive(&server, reason, &mut failures, state, &mut stop).await {
            Ok(revived) => process = revived,
            Err(end) => return Ok(end),
        }
    }
}

/// Restarts until it works; `Err` is the final state.
async fn revive(
    server: &Server,
    mut reason: String,
    failures: &mut Failures,
    state: &watch::Sender<State>,
    stop: &mut watch::Receiver<bool>,
) -> Result<Process, State> {
    loop {
        let Some((attempt, pause)) = failures.record(Instant::now()) else {
            tracing::error!(reason, "giving up on Postgres");
            return Err(State::Failed { reason });
        };
        tracing::error!(reason, attempt, "restarting Postgres");
        state.send_replace(State::Restarting { attempt });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = asked(stop) => return Err(State::Stopped),
        }
        match server.launch(stop).await {
            Ok(process) => return Ok(process),
            Err(_) if *stop.borrow() => return Err(State::Stopped),
            Err(error) => reason = error.to_string(),
        }
    }
}

/// The failures of the last minute.
#[derive(Debug, Default)]
struct Failures(VecDeque<Instant>);

impl Failures {
    /// Notes a failure; the number of the coming attempt and the pause before it, or nothing when it is one too many.
    fn record(&mut self, now: Instant) -> Option<(u32, Duration)> {
        self.0.retain(|at| now.duration_since(*at) < WINDOW);
        self.0.push_back(now);
        let pause = PAUSES.get(self.0.len() - 1)?;
        Some((u32::try_from(self.0.len()).unwrap_or(u32::MAX), *pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_at_the_fifth_failure_in_a_minute() {
        let mut failures = Failures::default();
        let begin = Instant::now();
        for (second, expected) in [(0, Some(1)), (1, Some(2)), (2, Some(3)), (3, Some(4)), (59, None)] {
            let found = failures.record(begin + Duration::from_secs(second));
            assert_eq!(found.map(|(attempt, _)| attempt), expected, "{second}");
        }
    }

    #[test]
    fn forgets_failures_after_a_minute() {
        let mut failures = Failures::default();
        let begin = Instant::now();
        for minute in 0..10 {
            let found = failures.record(begin + minute * WINDOW);
            assert_eq!(found, Some((1, PAUSES[0])), "{minute}");
        }
    }
}
