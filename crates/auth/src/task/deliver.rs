//! Takes messages out of the outbox and sends them.
//!
//! It is woken when a request has put one in, and looks by itself when the next one is due, or every
//! half minute: another process, or one that was killed, may have left some. A message is taken for a
//! while, so that nobody else sends it; if this process dies, the while ends. What fails is tried again
//! after 5 s, 15 s, 45 s … up to half an hour, as long as the message is of use.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Stop, Task};
use tokio::task::JoinSet;

use crate::outbox::{Failure, Message};
use crate::service::Service;
use crate::store::outbox::{self, Waiting};

/// Messages on their way at once.
const AT_ONCE: usize = 8;
/// Attempts at one message.
const MAX_ATTEMPTS: i32 = 12;
/// How long one attempt may take, whatever the settings say.
const ATTEMPT: Duration = Duration::from_secs(40);
/// How long what is under way may take when the process stops.
const LANDING: Duration = Duration::from_secs(3);
/// How long a message is ours: longer than an attempt.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long nothing is looked for if nothing is known to be due.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("auth outbox", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    let mut flying = JoinSet::new();
    while !stop.is_stopped() {
        while flying.try_join_next().is_some() {}
        let wait = match take_off(&service, &mut flying).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read");
                Duration::from_secs(5)
            }
        };
        tokio::select! {
            () = stop.stopped() => break,
            () = service.outbox.rung() => {}
            // A message that has landed makes room for the next.
            Some(_) = flying.join_next(), if !flying.is_empty() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    // What is under way may land, as the server has it half already; what takes too long is sent again.
    let landed = async { while flying.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LANDING, landed).await;
}

/// Sends what is due, as far as there is room; returns how long there is nothing to do.
async fn take_off(service: &Arc<Service>, flying: &mut JoinSet<()>) -> Result<Duration, db::Error> {
    let room = AT_ONCE.saturating_sub(flying.len());
    if room == 0 {
        return Ok(IDLE);
    }
    let now = service.clock.now();
    let mut session = service.pool.session().await?;
    let count = i64::try_from(room).unwrap_or(1);
    for waiting in outbox::claim(&mut session, now, now + LEASE, count).await? {
        let service = Arc::clone(service);
        flying.spawn(async move { deliver(&service, waiting).await });
    }
    if flying.len() >= AT_ONCE {
        return Ok(IDLE);
    }
    let due = outbox::next_due(&mut session).await?;
    Ok(due
        .map_or(IDLE, |due| (due - now).to_std().unwrap_or_default().clamp(Duration::from_millis(50), IDLE)))
}

/// One attempt at one message. Nothing of what it says goes into the log: there are codes in it.
async fn deliver(service: &Service, waiting: Waiting) {
    let Waiting { id, attempts, expires_at, message } = waiting;
    let outcome = match serde_json::from_value::<Message>(message) {
        // Left by a process that was gone for long, or by one that the message itself brought down.
        Ok(_) if attempts > MAX_ATTEMPTS || service.clock.now() > expires_at => {
            Err(Failure::Final("it came too late".to_owned()))
        }
        Ok(message) => {
            let ways = &service.settings.load_full().ways;
            let means = (&service.outbox.outbound, &service.outbox.mailbox);
            let sending = ways.send(means, id, &message);
            tokio::time::timeout(ATTEMPT, sending)
                .await
                .unwrap_or_else(|_| Err(Failure::Again("it took too long".to_owned())))
        }
        Err(error) => Err(Failure::Final(format!("its row cannot be read: {error}"))),
    };
    let now = service.clock.now();
    let again = match outcome {
        Ok(theirs) => {
            tracing::debug!(%id, theirs, attempts, "sent");
            None
        }
        Err(Failure::Final(reason)) => {
            tracing::error!(%id, reason, "a message cannot be sent: it is dropped");
            None
        }
        Err(Failure::Again(reason)) => {
            let next = later(now, attempts);
            if attempts >= MAX_ATTEMPTS || next > expires_at {
                tracing::error!(%id, reason, attempts, "a message could not be sent in time: it is dropped");
                None
            } else {
                tracing::warn!(%id, reason, attempts, %next, "a message could not be sent: it is tried again");
                Some(next)
            }
        }
    };
    let settled = async {
        let mut session = service.pool.session().await?;
        match again {
            Some(next) => outbox::postpone(&mut session, id, next).await,
            None => outbox::delete(&mut session, id).await,
        }
    };
    if let Err(error) = settled.await {
        tracing::warn!(%id, %error, "the outbox cannot be written: the message will be sent again");
    }
}

/// When the next attempt is made, after so many.
fn later(now: DateTime<Utc>, attempts: i32) -> DateTime<Utc> {
    let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(6);
    now + TimeDelta::seconds((5 * 3_i64.pow(exponent)).min(1800))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_and_are_bounded() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let waits: Vec<i64> =
            [1, 2, 3, 6, 7, 12].iter().map(|n| (later(now, *n) - now).num_seconds()).collect();
        assert_eq!(waits, [5, 15, 45, 1215, 1800, 1800]);
    }
}
