//! When the next reload may begin.

use std::time::Duration;

use tokio::time::Instant;

/// Signals that come within this time of a reload share the next one.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Waits between failed reloads: the first, doubled up to the last.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(32);

/// Reloads keep a short distance, and a growing one while they fail; a change cuts that short, as
/// it may be what they waited for.
#[derive(Debug)]
pub(super) struct Pace {
    /// The next reload that a change asks for.
    changed: Instant,
    /// The next reload.
    next: Instant,
    /// The wait after the next failure.
    wait: Duration,
}

impl Pace {
    /// The first reload may begin at once.
    pub fn new(now: Instant) -> Self {
        Self { changed: now, next: now, wait: FIRST_WAIT }
    }

    /// No reload begins before.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Something is said to have changed.
    pub fn change(&mut self) {
        self.next = self.changed;
        self.wait = FIRST_WAIT;
    }

    /// A reload has ended well.
    pub fn succeed(&mut self, now: Instant) {
        *self = Self::new(now + DEBOUNCE);
    }

    /// A reload has failed; returns how long the next one waits if nothing changes.
    pub fn fail(&mut self, now: Instant) -> Duration {
        let wait = self.wait;
        self.changed = now + DEBOUNCE;
        self.next = now + wait;
        self.wait = (wait * 2).min(LAST_WAIT);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_and_longer_until_something_changes() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.next(), now);
        let waits: Vec<u64> = (0..7).map(|_| pace.fail(now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 32]);
        assert_eq!(pace.next(), now + LAST_WAIT);

        pace.change();
        assert_eq!(pace.next(), now + DEBOUNCE);
        assert_eq!(pace.fail(now), FIRST_WAIT);
    }

    #[test]
    fn changes_soon_after_a_reload_share_the_next_one() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.fail(now);
        pace.succeed(now);
        pace.change();
        assert_eq!(pace.next(), now + DEBOUNCE);
        assert_eq!(pace.fail(now), FIRST_WAIT);
    }
}
