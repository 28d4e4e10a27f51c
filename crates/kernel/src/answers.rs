//! Answers that requests which write still wait for.
//!
//! What a request wrote may be heard of elsewhere before its client has the answer: the two travel on different
//! connections. Who tells of it and would rather come second asks here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long an answer is remembered after it was given.
const REMEMBERED: Duration = Duration::from_millis(100);

/// The answers that are promised; clones share them.
#[derive(Clone, Default)]
pub struct Answers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    given: Notify,
}

#[derive(Default)]
struct State {
    /// How many were ever promised; each is known by its number among them.
    promised: u64,
    open: BTreeSet<u64>,
    /// Those of the last moments, in the order in which they were given.
    given: VecDeque<(u64, Instant)>,
}

/// All answers that were promised before a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// An answer that will be given; it is given when this is dropped.
pub struct Promise {
    answers: Answers,
    number: u64,
}

impl Answers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins that may write.
    #[must_use]
    pub fn promise(&self) -> Promise {
        let mut state = self.state();
        let number = state.promised;
        state.promised += 1;
        state.open.insert(number);
        Promise { answers: self.clone(), number }
    }

    /// All that are promised by now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.state().promised)
    }

    /// Returns when all answers before `mark` were given so long `ago` (100 ms at most).
    pub async fn given(&self, mark: Mark, ago: Duration) {
        loop {
            let mut given = std::pin::pin!(self.0.given.notified());
            // From here on no answer is overlooked.
            given.as_mut().enable();
            let latest = self.state().latest(mark);
            match latest {
                None => given.await,
                Some(None) => return,
                Some(Some(latest)) => return sleep_until(latest + ago).await,
            }
        }
    }
}

impl State {
    /// When the latest answer before `mark` was given, if that is remembered; nothing while one is open.
    fn latest(&self, mark: Mark) -> Option<Option<Instant>> {
        if self.open.first().is_some_and(|first| *first < mark.0) {
            return None;
        }
        Some(self.given.iter().rev().find(|(number, _)| *number < mark.0).map(|(_, at)| *at))
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut state = self.answers.state();
        let now = Instant::now();
        state.open.remove(&self.number);
        while state.given.front().is_some_and(|(_, at)| *at + REMEMBERED < now) {
            state.given.pop_front();
        }
        state.given.push_back((self.number, now));
        drop(state);
        self.answers.0.given.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    async fn is_pending(answers: &Answers, mark: Mark) -> bool {
        timeout(Duration::ZERO, answers.given(mark, Duration::ZERO)).await.is_err()
    }

    #[tokio::test]
    async fn what_was_promised_before_is_waited_for() {
        let answers = Answers::default();
        assert!(!is_pending(&answers, answers.mark()).await, "nothing was promised");
        let (first, second) = (answers.promise(), answers.promise());
        let mark = answers.mark();
        let _later = answers.promise();
        assert!(is_pending(&answers, mark).await);
        drop(second);
        assert!(is_pending(&answers, mark).await);
        let ((), ()) = tokio::join!(answers.given(mark, Duration::ZERO), async { drop(first) });
        assert!(!is_pending(&answers, mark).await);
        assert!(is_pending(&answers, answers.mark()).await);
    }

    #[tokio::test]
    async fn an_answer_that_was_just_given_is_on_its_way() {
        let answers = Answers::default();
        let before = answers.mark();
        drop(answers.promise());
        let mark = answers.mark();
        let latest = answers.state().latest(mark).flatten();
        assert!(latest.is_some_and(|at| at <= Instant::now()));
        assert_eq!(answers.state().latest(before), Some(None), "who wrote earlier does not wait for it");
        assert!(timeout(Duration::ZERO, answers.given(mark, Duration::from_secs(60))).await.is_err());
        let long_ago = Instant::now().checked_sub(2 * REMEMBERED);
        if let (Some(long_ago), Some(given)) = (long_ago, answers.state().given.front_mut()) {
            given.1 = long_ago;
        }
        drop(answers.promise());
        assert_eq!(answers.state().given.len(), 1, "others are forgotten");
    }
}
