//! Row changes: who subscribes to which tables, and what of it they see.
//!
//! - [`wanted`], [`filter`]: what a client asks for, pure; [`registry`]: who asked, in memory.
//! - [`dispatch`]: from changes to frames: [`cases`] that concern somebody, [`judging`] and [`inquiry`] of what they may see, [`sending`];
//!   [`known`]: what is remembered of the catalogue for it; [`sight`]: which changes others can see already.
//! - [`compare`], [`policy`]: filters and policies as far as they can be judged here ([`expression`]: cut into tokens;
//!   [`reading`]: as a [`condition`]); [`survey`]: what they leave open, as questions to the database.
//! - [`payload`], [`value`]: a change as JSON; [`letter`]: its frames; [`kind`], [`literal`]: types and their texts; [`inspect`]: values in
//!   upstream's messages.
//! - [`courier`]: the task that carries changes; [`past`]: those of the last while, for clients that come back.
//! - [`watch`]: the publication and the slot, looked at now and then.
//!
//! The stream puts changes into a queue that is bounded in bytes; when it is full the stream is not read, and
//! Postgres keeps the rest. One task takes them out, so that they arrive in the order in which they were committed.
//!
//! A change is sent only to who may see it, by the policies of its table for its role and claims; one that cannot
//! be judged is withheld. When nobody subscribes to anything, nothing is queued.

mod cases;
mod compare;
mod condition;
mod courier;
mod dispatch;
mod expression;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inquiry;
mod inspect;
mod judging;
pub(crate) mod kind;
mod known;
mod letter;
mod literal;
pub(crate) mod past;
mod payload;
mod policy;
mod reading;
pub(crate) mod registry;
mod sending;
mod sight;
mod survey;
mod value;
pub(crate) mod wanted;
pub(crate) mod watch;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use db::{Fleet, Lsn, PoolOptions, Target};
use kernel::answers::Mark;
use kernel::{Answers, Task};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch as signal};

use crate::feed::Losses;
use crate::service::Service;
use crate::wal::decode::{Relation, Row, Transaction};
use crate::wal::position::Position;
use courier::Courier;
use dispatch::Dispatcher;
use known::Memory;
use registry::Registry;
use sight::Lookout;

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

/// A row of the stream.
pub(crate) struct Arrival {
    pub(crate) relation: Arc<Relation>,
    pub(crate) row: Row,
    pub(crate) transaction: Transaction,
    pub(crate) position: Position,
    /// The message of `pgoutput`.
    pub(crate) message: Bytes,
}

/// A change of a row, on its way.
pub(crate) struct Change {
    pub(crate) arrival: Arrival,
    /// Its writer's answer is one of these, if it was written through this process.
    answers: Mark,
    /// Its part of what may wait, if it waits.
    _share: Option<OwnedSemaphorePermit>,
}

impl From<Arrival> for Change {
    fn from(arrival: Arrival) -> Self {
        Self { arrival, answers: Mark::default(), _share: None }
    }
}

/// What waits to be carried.
pub(crate) enum Item {
    /// A change, for whom it concerns.
    Change(Change),
    /// One that was made before anybody was here.
    Past(Change),
    /// A source of changes begins behind `from`.
    Begin { history: u32, from: Position, is_seamless: bool },
    /// All changes up to here have come.
    Passed(Position),
    /// A receiver comes back; what it missed, if it knows where it was.
    Resume { receiver: u64, since: Option<String> },
}

impl Deref for Change {
    type Target = Arrival;

    fn deref(&self) -> &Arrival {
        &self.arrival
    }
}

/// Row changes of a running instance.
pub(crate) struct Changes {
    pub(crate) registry: Arc<Registry>,
    /// Set while the stream stands and its tables are known.
    pub(crate) flows: signal::Sender<Option<Losses>>,
    /// Moves when the tables of the publication are others than before.
    pub(crate) publication: signal::Sender<u64>,
    /// For questions, as callers.
    fleet: Fleet,
    answers: Answers,
    waiting: Arc<Semaphore>,
    into: mpsc::UnboundedSender<Item>,
    /// Changes that were not sent yet.
    queued: AtomicUsize,
    /// The last commit of which some were.
    done: AtomicU64,
    /// The first commit of which some are kept for clients that come back.
    oldest: AtomicU64,
    /// Changes are kept for such clients.
    keeps: bool,
    out: Mutex<mpsc::UnboundedReceiver<Item>>,
}

impl Changes {
    /// `login` is how to log in past any pooler; `keeps` says whether changes are kept for clients that come back.
    pub(crate) fn new(login: &Target, keeps: bool, answers: Answers) -> Self {
        let (into, out) = mpsc::unbounded_channel();
        let login = login.clone().with_option("timezone", "UTC").with_option("statement_timeout", "5s");
        Self {
            registry: Arc::default(),
            flows: signal::Sender::new(None),
            publication: signal::Sender::new(0),
            fleet: Fleet::new(&login, PoolOptions { size: CONNECTIONS, ..PoolOptions::default() }),
            answers,
            waiting: Arc::new(Semaphore::new(WAITING as usize)),
            into,
            queued: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            oldest: AtomicU64::new(u64::MAX),
            keeps,
            out: Mutex::new(out),
        }
    }

    /// Whether changes are kept for clients that come back.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether anybody wants to hear of anything.
    pub(crate) fn is_wanted(&self) -> bool {
        self.registry.len() > 0
    }

    /// A place in the queue for a row; waits until there is one.
    pub(crate) async fn room(&self, arrival: &Arrival) -> OwnedSemaphorePermit {
        match Arc::clone(&self.waiting).acquire_many_owned(share(arrival)).await {
            Ok(share) => share,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// A place in the queue for a row, if there is one.
    pub(crate) fn room_now(&self, arrival: &Arrival) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_many_owned(share(arrival)).ok()
    }

    /// Queues a change, if anybody wants any.
    pub(crate) fn put(&self, arrival: Arrival, share: OwnedSemaphorePermit) {
        if self.keeps || self.is_wanted() {
            self.queued.fetch_add(1, Ordering::AcqRel);
            self.push(Item::Change(Change { arrival, answers: self.answers.mark(), _share: Some(share) }));
        }
    }

    /// Queues a change that was made before anybody was here.
    pub(crate) fn put_past(&self, arrival: Arrival, share: OwnedSemaphorePermit) {
        if self.keeps {
            self.queued.fetch_add(1, Ordering::AcqRel);
            self.push(Item::Past(Change { _share: Some(share), ..Change::from(arrival) }));
        }
    }

    /// Queues something that is no change.
    pub(crate) fn push(&self, item: Item) {
        // Nobody takes it out when the server has stopped.
        let _ = self.into.send(item);
    }

    /// The first commit of which something is kept for clients that come back.
    pub(crate) fn oldest(&self) -> Lsn {
        Lsn(self.oldest.load(Ordering::Acquire))
    }

    /// Up to where all changes have been sent; none if none of those that came waits.
    pub(crate) fn done(&self) -> Option<Lsn> {
        (self.queued.load(Ordering::Acquire) > 0).then(|| Lsn(self.done.load(Ordering::Acquire)))
    }
}

/// What a row takes of what may wait.
fn share(arrival: &Arrival) -> u32 {
    u32::try_from(arrival.row.size() + OVERHEAD).unwrap_or(WAITING).min(WAITING)
}

/// The task that sends changes.
pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("realtime changes", move |stop| {
        let service = Arc::clone(&service);
        async move {
            let dispatcher = Dispatcher {
                registry: Arc::clone(&service.changes.registry),
                pool: service.pool.clone(),
                fleet: service.changes.fleet.clone(),
                largest: service.config().max_change.get(),
                by_image: service.config().check_image,
                answers: service.changes.answers.clone(),
                answers_first: service.config().answers_first.0,
                memory: Memory::default(),
                lookout: Lookout::default(),
                metrics: Arc::clone(&service.metrics),
            };
            Courier::new(&service, dispatcher).run(stop).await;
        }
    })
}
