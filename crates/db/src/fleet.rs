//! Connections on which callers' transactions fly.
//!
//! A [`Fleet`] is to [`Flight`](crate::Flight) and [`Journey`](crate::Journey) what a
//! [`Pool`](crate::Pool) is to sessions: bounded connections of one login role, opened as they are
//! asked for. A connection is read and written by the task that holds it, so one that was opened
//! on the same thread is preferred: its wake-ups cross no threads.
//!
//! Only a connection on which nothing is left comes back. If its holder went away while a statement
//! ran, the statement is cancelled on the server and the connection closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::pool::{PoolOptions, PoolStatus};
use crate::wire::{Status, Step, Trip, Wire};
use crate::{Error, Target};

/// Connections of one login role for callers' transactions. Clones share them.
#[derive(Clone)]
pub struct Fleet(Arc<Harbour>);

struct Harbour {
    target: Target,
    options: PoolOptions,
    /// One for each connection that may be in use.
    berths: Arc<Semaphore>,
    idle: Mutex<Vec<Moored>>,
    /// Statements are kept prepared; until a pooler turns out not to follow them.
    prepared: AtomicBool,
}

/// A connection with what one must know to keep it.
struct Ship {
    wire: Wire,
    home: ThreadId,
    born: Instant,
}

/// A connection that nobody uses.
struct Moored {
    ship: Ship,
    since: Instant,
}

impl Fleet {
    /// A fleet that opens its connections as they are asked for.
    #[must_use]
    pub fn new(target: &Target, options: PoolOptions) -> Self {
        Self(Arc::new(Harbour {
            target: target.clone(),
            berths: Arc::new(Semaphore::new(options.size.clamp(1, Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::new()),
            prepared: AtomicBool::new(options.prepared),
            options,
        }))
    }

    /// Connections in use and at rest.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let limit = self.0.options.size.max(1);
        let free = self.0.idle().len();
        let used = limit.saturating_sub(self.0.berths.available_permits());
        PoolStatus { open: used + free, free, limit }
    }

    /// Closes the connections that nobody used for a while, so that an idle installation is small.
    pub fn reap(&self) {
        let limit = self.0.options.idle;
        let old = self.0.idle().extract_if(.., |moored| moored.since.elapsed() >= limit).collect::<Vec<_>>();
        drop(old);
    }

    /// Closes every free connection: they are replaced as they are asked for. After a change of
    /// the schema this frees the plans that were made for the old one.
    pub fn flush(&self) {
        let all = std::mem::take(&mut *self.0.idle());
        drop(all);
    }

    /// Closes the fleet; callers get [`Error::Closed`] from now on.
    pub fn close(&self) {
        self.0.berths.close();
        self.flush();
    }

    /// A connection for as long as the lease is held.
    ///
    /// # Errors
    ///
    /// [`Error::PoolTimeout`], [`Error::Connect`], or what the server said.
    pub(crate) async fn lease(&self) -> Result<Lease, Error> {
        let harbour = &self.0;
        let berth = timeout(harbour.options.wait, Arc::clone(&harbour.berths).acquire_owned()).await;
        let berth = berth.map_err(|_| Error::PoolTimeout)?.map_err(|_| Error::Closed)?;
        while let Some(mut ship) = harbour.cast_off() {
            if ship.born.elapsed() <= harbour.options.max_lifetime && ship.wire.is_alive() {
                return Ok(Lease::new(Arc::clone(harbour), ship, berth));
            }
        }
        let connected = Wire::connect(&harbour.target, harbour.options.statements);
        let wire = match harbour.target.config().get_connect_timeout() {
            Some(limit) => timeout(*limit, connected).await,
            None => Ok(connected.await),
        };
        let wire = wire.map_err(|_| Error::Connect("timed out".to_owned()))??;
        let ship = Ship { wire, home: std::thread::current().id(), born: Instant::now() };
        Ok(Lease::new(Arc::clone(harbour), ship, berth))
    }
}

impl Harbour {
    fn idle(&self) -> MutexGuard<'_, Vec<Moored>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to use next; none if one is to be opened.
    fn cast_off(&self) -> Option<Ship> {
        let here = std::thread::current().id();
        let mut idle = self.idle();
        let own = idle.iter().rposition(|moored| moored.ship.home == here);
        let used = self.options.size.saturating_sub(self.berths.available_permits());
        let is_full = idle.len() + used > self.options.size.max(1);
        let index = own.or_else(|| if is_full { idle.len().checked_sub(1) } else { None })?;
        Some(idle.remove(index).ship)
    }
}

/// A connection in somebody's hands.
pub(crate) struct Lease {
    harbour: Arc<Harbour>,
    ship: Option<Ship>,
    /// Something may be left on the connection: it is not used again.
    is_spoilt: bool,
    _berth: OwnedSemaphorePermit,
}

impl Lease {
    fn new(harbour: Arc<Harbour>, ship: Ship, berth: OwnedSemaphorePermit) -> Self {
        Self { harbour, ship: Some(ship), is_spoilt: false, _berth: berth }
    }

    /// Runs statements; see [`Wire::travel`].
    pub(crate) async fn travel(&mut self, steps: &[Step<'_>]) -> Result<Trip, Error> {
        let prepared = self.harbour.prepared.load(Ordering::Relaxed);
        let wire = &mut self.ship.as_mut().ok_or(Error::Closed)?.wire;
        wire.travel(steps, prepared).await
    }

    /// Where the server stands.
    pub(crate) fn status(&self) -> Status {
        self.ship.as_ref().map_or(Status::Unknown, |ship| ship.wire.status())
    }

    /// Whether the transaction that just failed may be tried again, with statements made anew: it
    /// failed because the server does not honour one that was prepared.
    pub(crate) fn may_retry(&mut self, trip: &Trip) -> bool {
        if trip.is_misplaced && self.harbour.prepared.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "prepared statements get lost on the way to the database, as through a pooler that hands each \
                 transaction to another server; from now on none are kept. Set prepared_statements to false, or \
                 connect directly, which is faster"
            );
        }
        let is_stale = trip.is_misplaced || trip.error.as_ref().is_some_and(Error::is_stale_statement);
        if is_stale && let Some(ship) = &mut self.ship {
            ship.wire.forget_statements();
        }
        is_stale
    }

    /// The connection is closed when the lease ends.
    pub(crate) fn spoil(&mut self) {
        self.is_spoilt = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut ship) = self.ship.take() else { return };
        match ship.wire.status() {
            Status::Idle if !self.is_spoilt && !self.harbour.berths.is_closed() => {
                self.harbour.idle().push(Moored { ship, since: Instant::now() });
            }
            Status::Unknown => {
                let (Some(cancel), Ok(runtime)) =
                    (ship.wire.take_cancel(), tokio::runtime::Handle::try_current())
                else {
                    return;
                };
                runtime.spawn(async move {
                    if let Err(error) = cancel.await {
                        tracing::debug!(%error, "could not cancel an abandoned statement");
                    }
                    drop(ship);
                });
            }
            // The server rolls back what is open when the connection ends.
            _ => {}
        }
    }
}
