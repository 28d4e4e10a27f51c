//! What all parts of the service work with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use db::{Fleet, Pool, Target};
use kernel::Clock;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::changes::{Arrival, Changes, Item};
use crate::config::Config;
use crate::feed::{Begun, Feed, Source};
use crate::hub::Hub;
use crate::limit::Counters;
use crate::metric::Metrics;
use crate::socket::outbox::Outbox;
use crate::token::Tokens;
use crate::wal::decode::Row;
use crate::wal::messages;
use crate::wal::position::Position;
use crate::wal::stream::Follow;
use crate::wal::voice::Voice;

/// The service is going away; clients connect again.
const RESTART: u16 = 1012;

/// The parts of a running instance.
pub(crate) struct Service {
    pub(crate) settings: ArcSwap<Config>,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    /// For questions about policies, as callers.
    pub(crate) fleet: Fleet,
    /// For our own tables.
    pub(crate) pool: Pool,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Counters,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) sockets: Sockets,
    /// Where the changes of the database are streamed from.
    pub(crate) stream: Target,
    /// More about that stream, if this instance reads it.
    pub(crate) follow: Follow,
    /// What the others are told of it then.
    pub(crate) voice: Voice,
    /// Where its rows come in, from there or from another instance.
    pub(crate) feed: Feed,
    /// Row changes.
    pub(crate) changes: Changes,
}

impl Service {
    /// The settings of now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.settings.load_full()
    }

    /// The time as counters take it, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.unix()
    }

    /// A source of rows begins, on a history of the database, behind `from`.
    pub(crate) fn begin_feed(&self, source: Source, history: u32, from: Position) -> Begun {
        let begun = self.feed.begin(source, from);
        let is_seamless = begun == Begun::Seamless;
        self.changes.push(Item::Begin { history, from, is_seamless });
        begun
    }

    /// All rows of a source up to `position` have come.
    pub(crate) fn pass(&self, source: Source, position: Position) {
        if self.feed.pass(source, position) {
            self.changes.push(Item::Passed(position));
        }
    }

    /// Takes a row of the stream to those whom it concerns; `share` is its part of what may wait.
    pub(crate) fn take_in(&self, arrival: Arrival, share: OwnedSemaphorePermit) {
        if !messages::is_about(&arrival.relation) {
            self.changes.put(arrival, share);
        } else if let Row::Insert { new } = &arrival.row {
            // Messages are on no publication but ours, which brings insertions only.
            messages::send(self, &arrival.relation, new);
        }
    }

    /// True if the installation sends and delivers more than it may.
    pub(crate) fn has_too_many_events(&self) -> bool {
        self.counters.events_per_second(self.now()) > self.config().max_events_per_second
    }
}

/// The sockets that are open, to say goodbye to them.
#[derive(Default)]
pub(crate) struct Sockets {
    open: Mutex<HashMap<u64, Weak<Outbox>>>,
    next: AtomicU64,
    is_draining: AtomicBool,
}

/// A socket's entry; dropping it removes it.
pub(crate) struct Entry {
    service: Arc<Service>,
    id: u64,
}

impl Sockets {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Weak<Outbox>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Enters a socket.
    pub(crate) fn enter(service: &Arc<Service>, outbox: &Arc<Outbox>) -> Entry {
        let sockets = &service.sockets;
        let id = sockets.next.fetch_add(1, Ordering::Relaxed);
        sockets.open().insert(id, Arc::downgrade(outbox));
        if sockets.is_draining() {
            outbox.close(RESTART, "");
        }
        Entry { service: Arc::clone(service), id }
    }

    /// Closes all sockets, spread over `time` so that the clients do not all come back at once. A few sockets
    /// need no spreading.
    pub(crate) async fn drain(&self, time: Duration) {
        self.is_draining.store(true, Ordering::Release);
        let all: Vec<_> = self.open().values().cloned().collect();
        let pause =
            (time / u32::try_from(all.len()).unwrap_or(u32::MAX).max(1)).min(Duration::from_millis(5));
        let mut next = Instant::now();
        for outbox in all.iter().filter_map(Weak::upgrade) {
            outbox.close(RESTART, "");
            // By the clock: pauses are too short to be kept one by one.
            next += pause;
            sleep_until(next).await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.service.sockets.open().remove(&self.id);
    }
}
