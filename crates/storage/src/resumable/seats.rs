//! One writer per upload. Whoever comes asks the one who writes to let go: mostly that is the same
//! client, whose last connection broke without telling us.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object::Progress;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, watch};
use uuid::Uuid;

/// How long a newcomer waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The uploads that somebody writes to, or has written to in this process.
#[derive(Default)]
pub(crate) struct Seats(Mutex<HashMap<Uuid, Arc<Seat>>>);

struct Seat {
    turn: Arc<Turn<Option<Progress>>>,
    /// How many wait for it.
    waiting: watch::Sender<usize>,
}

/// The right to write. What is known of the content so far is kept with it.
pub(crate) struct Held {
    pub(crate) progress: OwnedMutexGuard<Option<Progress>>,
    waiting: watch::Receiver<usize>,
}

impl Held {
    /// Returns when somebody else wants to write.
    pub(crate) async fn is_wanted(&mut self) {
        if self.waiting.wait_for(|waiting| *waiting > 0).await.is_err() {
            // Nobody can come any more: the seat is gone.
            std::future::pending::<()>().await;
        }
    }

    /// Whether somebody else wants to write.
    pub(crate) fn is_wanted_now(&self) -> bool {
        *self.waiting.borrow() > 0
    }
}

impl Seats {
    fn seat(&self, id: Uuid) -> Arc<Seat> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = || Arc::new(Seat { turn: Arc::default(), waiting: watch::Sender::new(0) });
        Arc::clone(seats.entry(id).or_insert_with(seat))
    }

    /// Waits for the turn; `None` if it takes too long.
    pub(crate) async fn hold(&self, id: Uuid) -> Option<Held> {
        let seat = self.seat(id);
        let progress = match Arc::clone(&seat.turn).try_lock_owned() {
            Ok(progress) => progress,
            Err(_) => {
                let _waiting = Waiting::new(&seat.waiting);
                tokio::time::timeout(PATIENCE, Arc::clone(&seat.turn).lock_owned()).await.ok()?
            }
        };
        Some(Held { progress, waiting: seat.waiting.subscribe() })
    }

    /// The turn, if nobody has it.
    pub(crate) fn try_hold(&self, id: Uuid) -> Option<Held> {
        let seat = self.seat(id);
        let progress = Arc::clone(&seat.turn).try_lock_owned().ok()?;
        Some(Held { progress, waiting: seat.waiting.subscribe() })
    }

    /// Nobody will write any more: it is complete, or gone.
    pub(crate) fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Somebody who waits, for as long as he does.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn the_newcomer_asks_and_waits() {
        let seats = Arc::new(Seats::default());
        let id = Uuid::new_v4();
        let mut first = seats.hold(id).await.unwrap();
        assert!(seats.try_hold(id).is_none());
        let other = seats.hold(Uuid::new_v4()).await;
        assert!(other.is_some());
        let newcomer = {
            let seats = Arc::clone(&seats);
            tokio::spawn(async move { seats.hold(id).await.is_some() })
        };
        first.is_wanted().await;
        assert!(!newcomer.is_finished());
        drop(first);
        assert!(newcomer.await.unwrap());
        let mut last = seats.hold(id).await.unwrap();
        let asked = tokio::time::timeout(Duration::from_millis(10), last.is_wanted()).await;
        assert!(asked.is_err(), "nobody waits any more");
    }
}
