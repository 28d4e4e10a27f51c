//! Row changes: who subscribes to which tables, and what of it they see.
//!
//! - [`wanted`], [`filter`]: what a client asks for, pure; [`registry`]: who asked, in memory.
//! - [`dispatch`]: from changes to frames; [`known`]: what is remembered of the catalogue for it.
//! - [`compare`], [`policy`]: filters and policies as far as they can be judged here ([`expression`]: cut into tokens;
//!   [`reading`]: as a [`condition`]); [`survey`]: what they leave open is asked of the database, when [`sight`] says that it can.
//! - [`payload`], [`value`]: a change as JSON; [`letter`]: its frames; [`kind`], [`literal`]: types and their texts; [`inspect`]: values in
//!   upstream's messages.
//! - [`watch`]: the publication and the slot, looked at now and then.
//!
//! The stream puts changes into a queue that is bounded in bytes; when it is full the stream is not read, and
//! Postgres keeps the rest. One task takes them out, so that they arrive in the order in which they were committed.
//!
//! A change is sent only to who may see it, by the policies of its table for its role and claims; one that cannot
//! be judged is withheld. When nobody subscribes to anything, nothing is queued.

mod compare;
mod condition;
mod dispatch;
mod expression;
mod filter;
mod inspect;
pub(crate) mod kind;
mod known;
mod letter;
mod literal;
mod payload;
mod policy;
mod reading;
pub(crate) mod registry;
mod sight;
mod survey;
mod value;
pub(crate) mod wanted;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use db::{Error, Fleet, Pool, PoolOptions, Target};
use kernel::{Stop, Task};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch as signal};
use tokio::time::sleep;

use crate::service::Service;
use crate::wal::decode::{Relation, Row, Transaction};
use dispatch::Dispatcher;
use known::Memory;
use registry::Registry;
use sight::Sight;

/// Bytes of changes that may wait.
const WAITING: u32 = 64 * 1024 * 1024;

/// What a change costs beyond its bytes.
const OVERHEAD: usize = 256;

/// Changes that are looked at together, at most.
const BATCH: usize = 512;

/// Before a database that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// When nothing changes for so long, connections that nobody used are closed.
const REAP: Duration = Duration::from_secs(30);

/// Connections for asking policies and filters.
const CONNECTIONS: usize = 3;

/// A change of a row.
pub(crate) struct Change {
    pub(crate) relation: Arc<Relation>,
    pub(crate) row: Row,
    pub(crate) transaction: Transaction,
    /// Its part of what may wait.
    _share: OwnedSemaphorePermit,
}

/// Row changes of a running instance.
pub(crate) struct Changes {
    pub(crate) registry: Arc<Registry>,
    /// Whether the stream stands and its tables are known.
    pub(crate) flows: signal::Sender<bool>,
    /// Moves when the tables of the publication are others than before.
    pub(crate) publication: signal::Sender<u64>,
    /// For questions, as callers.
    fleet: Fleet,
    waiting: Arc<Semaphore>,
    into: mpsc::UnboundedSender<Change>,
    out: Mutex<mpsc::UnboundedReceiver<Change>>,
}

impl Changes {
    /// `login` is how to log in past any pooler.
    pub(crate) fn new(login: &Target) -> Self {
        let (into, out) = mpsc::unbounded_channel();
        let login = login.clone().with_option("timezone", "UTC").with_option("statement_timeout", "5s");
        Self {
            registry: Arc::default(),
            flows: signal::Sender::new(false),
            publication: signal::Sender::new(0),
            fleet: Fleet::new(&login, PoolOptions { size: CONNECTIONS, ..PoolOptions::default() }),
            waiting: Arc::new(Semaphore::new(WAITING as usize)),
            into,
            out: Mutex::new(out),
        }
    }

    /// Whether anybody wants to hear of anything.
    pub(crate) fn is_wanted(&self) -> bool {
        self.registry.len() > 0
    }

    /// A place in the queue for a change of this size; waits until there is one.
    pub(crate) async fn room(&self, row: &Row) -> OwnedSemaphorePermit {
        let share = u32::try_from(row.size() + OVERHEAD).unwrap_or(WAITING).min(WAITING);
        match Arc::clone(&self.waiting).acquire_many_owned(share).await {
            Ok(share) => share,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Queues a change.
    pub(crate) fn put(
        &self,
        relation: &Arc<Relation>,
        row: Row,
        transaction: Transaction,
        share: OwnedSemaphorePermit,
    ) {
        // Nobody takes it out when the server has stopped.
        let _ = self.into.send(Change { relation: Arc::clone(relation), row, transaction, _share: share });
    }
}

/// The task that sends changes.
pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("realtime changes", move |stop| {
        let service = Arc::clone(&service);
        async move { run(&service, service.pool.clone(), stop).await }
    })
}

async fn run(service: &Service, pool: Pool, mut stop: Stop) {
    let mut dispatcher = Dispatcher {
        registry: Arc::clone(&service.changes.registry),
        pool,
        fleet: service.changes.fleet.clone(),
        largest: service.config.max_change.get(),
        by_image: service.config.check_image,
        memory: Memory::default(),
        sight: Sight::default(),
        metrics: Arc::clone(&service.metrics),
    };
    let mut out = service.changes.out.lock().await;
    let mut changes = Vec::new();
    loop {
        tokio::select! {
            _ = out.recv_many(&mut changes, BATCH) => {}
            () = sleep(REAP) => service.changes.fleet.reap(),
            () = stop.stopped() => return,
        }
        loop {
            let delivered = tokio::select! {
                delivered = dispatcher.deliver(&changes) => delivered,
                () = stop.stopped() => return,
            };
            match delivered {
                Ok(()) => break,
                Err(error) => pause(&error).await,
            }
        }
        changes.clear();
    }
}

/// After a failure of the database: its stream says that it is gone, so this need not.
async fn pause(error: &Error) {
    tracing::debug!(%error, "changes wait for the database");
    sleep(PAUSE).await;
}
