//! How much an installation and a channel may do.
//!
//! Rates are upstream's: the average over the last minute, in twelve buckets of five seconds, for the whole
//! installation. What exceeds them is the sender's to bear: its channel ends, those who only listen stay.
//!
//! Several instances tell each other every second how much they use; what they say is added to what is counted here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const BUCKETS: usize = 12;
const BUCKET: i64 = 5;
const WINDOW: u64 = 60;

/// Events of the last minute. Counting from many threads is exact to the few events of the moment in which a
/// bucket changes.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    buckets: [AtomicU64; BUCKETS],
    /// The latest bucket, in buckets since 1970.
    latest: AtomicI64,
    /// All events there ever were.
    total: AtomicU64,
}

impl Rate {
    /// Counts events at `now` (seconds since 1970).
    pub(crate) fn add(&self, now: i64, events: u64) {
        self.turn(now);
        self.bucket(now.div_euclid(BUCKET)).fetch_add(events, Ordering::Relaxed);
        self.total.fetch_add(events, Ordering::Relaxed);
    }

    /// Events per second over the last minute.
    pub(crate) fn average(&self, now: i64) -> u64 {
        self.turn(now);
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum::<u64>() / WINDOW
    }

    /// All events there ever were.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn bucket(&self, index: i64) -> &AtomicU64 {
        let slot = usize::try_from(index.rem_euclid(BUCKETS as i64)).unwrap_or_default();
        &self.buckets[slot % BUCKETS]
    }

    /// Empties the buckets that are older than a minute.
    fn turn(&self, now: i64) {
        let current = now.div_euclid(BUCKET);
        let before = self.latest.fetch_max(current, Ordering::Relaxed);
        if before < current {
            let oldest = (before + 1).max(current - BUCKETS as i64 + 1);
            for index in oldest..=current {
                self.bucket(index).store(0, Ordering::Relaxed);
            }
        }
    }
}

/// Calls of one channel within a window.
#[derive(Debug)]
pub(crate) struct Window {
    calls: u32,
    began: i64,
}

impl Window {
    pub(crate) fn new(now: i64) -> Self {
        Self { calls: 0, began: now }
    }

    /// Counts a call; false if it is one too many.
    pub(crate) fn admits(&mut self, now: i64, most: u32, window: Duration) -> bool {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1);
        if now.saturating_sub(self.began) >= window {
            *self = Self::new(now);
        }
        self.calls = self.calls.saturating_add(1);
        self.calls <= most
    }
}

/// How much of the limits is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) sockets: u64,
    /// Joins per second, as the others.
    pub(crate) joins: u64,
    pub(crate) events: u64,
    pub(crate) presence: u64,
}

impl std::iter::Sum for Used {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, more| Self {
            sockets: sum.sockets.saturating_add(more.sockets),
            joins: sum.joins.saturating_add(more.joins),
            events: sum.events.saturating_add(more.events),
            presence: sum.presence.saturating_add(more.presence),
        })
    }
}

/// What is counted for the whole installation.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Joins, and sockets opened.
    pub(crate) joins: Rate,
    /// Messages sent and delivered.
    pub(crate) events: Rate,
    /// Presence messages sent and delivered.
    pub(crate) presence: Rate,
    sockets: Arc<AtomicUsize>,
    elsewhere: Elsewhere,
}

/// What other instances use, as they said last.
#[derive(Debug, Default)]
struct Elsewhere {
    sockets: AtomicU64,
    joins: AtomicU64,
    events: AtomicU64,
    presence: AtomicU64,
}

/// The place of one socket among those that may be open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Counters {
    /// Sockets that are open.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// What this instance uses.
    pub(crate) fn used_here(&self, now: i64) -> Used {
        Used {
            sockets: self.sockets() as u64,
            joins: self.joins.average(now),
            events: self.events.average(now),
            presence: self.presence.average(now),
        }
    }

    /// What all others use together.
    pub(crate) fn set_elsewhere(&self, used: Used) {
        self.elsewhere.sockets.store(used.sockets, Ordering::Relaxed);
        self.elsewhere.joins.store(used.joins, Ordering::Relaxed);
        self.elsewhere.events.store(used.events, Ordering::Relaxed);
        self.elsewhere.presence.store(used.presence, Ordering::Relaxed);
    }

    /// Sockets that are open, here and elsewhere.
    pub(crate) fn all_sockets(&self) -> u64 {
        (self.sockets() as u64).saturating_add(self.elsewhere.sockets.load(Ordering::Relaxed))
    }

    /// Joins per second, here and elsewhere.
    pub(crate) fn joins_per_second(&self, now: i64) -> u64 {
        self.joins.average(now).saturating_add(self.elsewhere.joins.load(Ordering::Relaxed))
    }

    /// Messages per second, here and elsewhere.
    pub(crate) fn events_per_second(&self, now: i64) -> u64 {
        self.events.average(now).saturating_add(self.elsewhere.events.load(Ordering::Relaxed))
    }

    /// Presence messages per second, here and elsewhere.
    pub(crate) fn presence_per_second(&self, now: i64) -> u64 {
        self.presence.average(now).saturating_add(self.elsewhere.presence.load(Ordering::Relaxed))
    }

    /// A place for one more socket, if there is one among `most`, of which the other instances have theirs.
    pub(crate) fn seat(&self, most: usize) -> Option<Seat> {
        let elsewhere = self.elsewhere.sockets.load(Ordering::Relaxed);
        let most = most.saturating_sub(usize::try_from(elsewhere).unwrap_or(usize::MAX));
        let more = |n: usize| (n < most).then_some(n + 1);
        self.sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Seat(Arc::clone(&self.sockets)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_an_average_over_a_minute() {
        let rate = Rate::default();
        rate.add(1000, 600);
        assert_eq!(rate.average(1000), 10);
        rate.add(1030, 600);
        assert_eq!(rate.average(1030), 20);
        assert_eq!(rate.average(1059), 20);
        assert_eq!(rate.average(1060), 10, "the first half is a minute old");
        assert_eq!(rate.average(5000), 0);
        assert_eq!(rate.total(), 1200);
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let rate = Rate::default();
        rate.add(1000, 60);
        rate.add(990, 60);
        assert_eq!(rate.average(1000), 2);
    }

    #[test]
    fn a_window_begins_anew() {
        let mut window = Window::new(100);
        let mut call = |now| window.admits(now, 2, Duration::from_secs(10));
        assert!(call(100) && call(101) && !call(102) && !call(109));
        assert!(call(110));
    }

    #[test]
    fn seats_are_given_back() {
        let counters = Counters::default();
        let first = counters.seat(1);
        assert!(first.is_some() && counters.seat(1).is_none());
        drop(first);
        assert_eq!(counters.sockets(), 0);
        assert!(counters.seat(1).is_some());
    }

    #[test]
    fn what_others_use_is_used() {
        let counters = Counters::default();
        let _seat = counters.seat(3);
        let other = Used { sockets: 1, joins: 2, events: 3, presence: 4 };
        counters.set_elsewhere([other, Used { events: 10, ..Used::default() }].into_iter().sum());
        counters.events.add(1000, 60);
        assert_eq!((counters.all_sockets(), counters.joins_per_second(1000)), (2, 2));
        assert_eq!((counters.events_per_second(1000), counters.presence_per_second(1000)), (14, 4));
        assert_eq!(counters.used_here(1000), Used { sockets: 1, events: 1, ..Used::default() });
        let second = counters.seat(3);
        assert!(second.is_some() && counters.seat(3).is_none());
    }
}
