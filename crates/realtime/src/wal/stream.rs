//! The connection along which changes come, kept for as long as the server runs and nobody else has it.
//!
//! When it is lost it is made anew, without end: after 100 ms, then later and later, up to a second. What is
//! written to the database in between is heard of if the slot is a durable one (see `slot`). An instance that finds
//! the slot taken looks again every second, and hears from the instance that has it meanwhile (see `follow`).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use db::{Error, Streamed};
use kernel::{Stop, Task};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::confirm::Confirm;
use super::decode::{Message, Relation, Row, Transaction, Undecodable, decode};
use super::position::Position;
use super::slot::{Claimed, claim};
use super::voice;
use crate::changes::Arrival;
use crate::feed::{Begun, Source};
use crate::service::Service;

/// The publication of the messages.
pub(crate) const MESSAGES: &str = "supabase_realtime_messages_publication";

/// How often an instance without the stream looks whether it is free.
const LOOK: Duration = Duration::from_secs(1);

/// After so many looks somebody should have been heard.
const PATIENCE: u32 = 10;

/// After so many failures to read what a slot keeps it is given up.
const STUCK: u32 = 3;

/// A stream that ends so soon may have ended because Postgres heard nothing from us.
const SHORT: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An attempt that lasted longer than this was no failure to begin: what comes next is another outage.
const LASTING: Duration = Duration::from_secs(5);

/// What others know of the stream and may do to it.
#[derive(Default)]
pub(crate) struct Follow {
    /// Makes it begin anew, or look anew whether it is free.
    pub(crate) restart: Notify,
    slot: Mutex<Option<String>>,
    /// How often it began.
    begun: AtomicU64,
    /// Bytes of the log that the server keeps for it.
    pub(crate) lag: AtomicU64,
    /// Bytes that it keeps at most; 0 if this instance does not read it, or if there is no bound.
    pub(crate) bound: AtomicU64,
}

impl Follow {
    /// The slot, if this instance reads it.
    pub(crate) fn slot(&self) -> Option<String> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_slot(&self, slot: Option<String>) {
        if slot.is_none() {
            self.lag.store(0, Ordering::Relaxed);
            self.bound.store(0, Ordering::Relaxed);
        }
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = slot;
    }

    /// How often the stream began here.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

/// Why the stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Database(#[from] Error),
    #[error("the stream cannot be read: {0}")]
    Undecodable(#[from] Undecodable),
}

impl Broken {
    /// Postgres reads its log as the catalogue was at that time: a publication that was not there then is an error
    /// for ever.
    fn is_unreadable(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some("42704"))
    }
}

/// Another instance has the stream.
struct Taken;

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("realtime stream", move |stop| {
        let service = Arc::clone(&service);
        async move { keep(&service, stop).await }
    })
}

async fn keep(service: &Service, mut stop: Stop) {
    let mut pause = FIRST_PAUSE;
    let mut is_new = true;
    let mut looks = 0;
    // How often Postgres could not read what a durable slot keeps, without anything in between.
    let mut stuck = 0;
    // What Postgres reads without a word may take it longer than we let it be silent.
    let mut is_patient = false;
    while !stop.is_stopped() {
        let (begun, streams) = (Instant::now(), service.follow.begun());
        let outcome = tokio::select! {
            outcome = follow(service, stuck >= STUCK, is_patient) => Some(outcome),
            // Whoever wants that has said why.
            () = service.follow.restart.notified() => None,
            () = stop.stopped() => break,
        };
        let wait = match outcome {
            None => continue,
            Some(Ok(Taken)) => {
                looks += 1;
                tell_of_holder(service, looks);
                (pause, is_new) = (FIRST_PAUSE, true);
                LOOK
            }
            Some(Err(broken)) => {
                looks = 0;
                stuck = if broken.is_unreadable() { stuck + 1 } else { 0 };
                is_patient = service.follow.begun() > streams && begun.elapsed() < SHORT;
                if begun.elapsed() > LASTING {
                    (pause, is_new) = (FIRST_PAUSE, true);
                }
                // One clear line for each outage.
                if std::mem::take(&mut is_new) {
                    let code = code(&broken);
                    service.metrics.error(code);
                    tracing::warn!(error = %broken, error_code = code, "the stream of changes is interrupted");
                }
                let now = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                now
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = service.follow.restart.notified() => {}
            () = stop.stopped() => break,
        }
    }
}

/// Says once that another instance has the stream, or that nobody seems to.
fn tell_of_holder(service: &Service, looks: u32) {
    if looks == 1 {
        tracing::info!("another instance reads the stream of changes");
    }
    if looks == PATIENCE && service.feed.stands().borrow().is_none() {
        service.metrics.error("ReplicationSlotBeingUsed");
        tracing::warn!(
            error_code = "ReplicationSlotBeingUsed",
            "the slot of the stream is in use, and no instance passes on its changes"
        );
    }
}

/// Upstream's name of what is wrong.
fn code(broken: &Broken) -> &'static str {
    match broken {
        Broken::Database(error) => match error.code() {
            Some("53400" | "53300") => "ReplicationMaxWalSendersReached",
            Some("55006") => "ReplicationSlotBeingUsed",
            Some(_) => "StartReplicationFailed",
            None => "ReplicationConnectionDown",
        },
        Broken::Undecodable(_) => "UnexpectedMessageReceived",
    }
}

/// The stream is ours; dropping it says that it is not.
struct Ours<'a> {
    service: &'a Service,
    source: Source,
    begun: Begun,
}

impl<'a> Ours<'a> {
    fn new(service: &'a Service, claimed: &Claimed) -> Self {
        let source = Source { instance: service.hub.id, stream: claimed.end_of_past.commit.0 };
        service.follow.set_slot(Some(claimed.slot.clone()));
        service.follow.begun.fetch_add(1, Ordering::Relaxed);
        service.voice.begin(&service.hub.relay, source.stream, claimed.history, claimed.from);
        let begun = service.begin_feed(source, claimed.history, claimed.from);
        Self { service, source, begun }
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        self.service.follow.set_slot(None);
        self.service.feed.end(self.source);
        self.service.voice.end(&self.service.hub.relay);
    }
}

async fn follow(service: &Service, is_stuck: bool, is_patient: bool) -> Result<Taken, Broken> {
    let Some(claimed) = claim(service, is_stuck, is_patient).await? else { return Ok(Taken) };
    let ours = Ours::new(service, &claimed);
    tracing::debug!(slot = claimed.slot, "the stream of changes stands");
    match read(service, claimed, &ours).await? {}
}

async fn read(service: &Service, claimed: Claimed, ours: &Ours<'_>) -> Result<Infallible, Broken> {
    let source = ours.source;
    let mut confirm = Confirm::new(service, source, &claimed);
    let mut stream = claimed.stream;
    let mut reader = Reader::default();
    // What was committed before this server came is for clients that come back, and for nobody else.
    let mut is_past = ours.begun == Begun::First && claimed.from < claimed.end_of_past;
    if !is_past {
        service.feed.open(source);
    }
    loop {
        let streamed = tokio::select! {
            streamed = stream.next() => Some(streamed?),
            () = sleep_until(confirm.at()) => None,
        };
        match streamed {
            Some(Streamed::Change { message, end }) => {
                if let Some((arrival, version)) = reader.take(&message)? {
                    service.voice.pass_on(
                        &service.hub.relay,
                        &voice::Streamed {
                            transaction: arrival.transaction,
                            position: arrival.position,
                            version,
                            relation: &reader.description(&arrival),
                            row: &message,
                        },
                    );
                    if service.feed.admits(source, arrival.position) {
                        // The server must hear from us even when nobody keeps up with it.
                        let share = loop {
                            tokio::select! {
                                share = service.changes.room(&arrival) => break share,
                                () = sleep_until(confirm.at()) => confirm.send(&mut stream).await?,
                            }
                        };
                        if is_past {
                            service.changes.put_past(arrival, share);
                        } else {
                            service.take_in(arrival, share);
                        }
                    }
                }
                confirm.saw(end);
            }
            // Also what does not concern us must be confirmed, or the server keeps its log for us.
            Some(Streamed::Alive { end, wants_answer }) => {
                confirm.saw(end);
                if wants_answer {
                    confirm.release();
                }
            }
            None => {}
        }
        if is_past && confirm.seen() >= claimed.end_of_past.commit {
            is_past = false;
            service.feed.open(source);
        }
        if Instant::now() >= confirm.at() {
            confirm.send(&mut stream).await?;
        }
    }
}

/// Reads messages in their order.
#[derive(Default)]
struct Reader {
    relations: HashMap<u32, Described>,
    /// How often a table was described.
    descriptions: u64,
    /// The transaction that is being read.
    transaction: Transaction,
    /// Rows of it so far.
    rows: u32,
}

/// A table, as it was described.
struct Described {
    relation: Arc<Relation>,
    version: u64,
    message: Bytes,
}

impl Reader {
    /// Takes a message; a row comes back, with the version of its table's description.
    fn take(&mut self, message: &Bytes) -> Result<Option<(Arrival, u64)>, Undecodable> {
        match decode(message)? {
            Message::Begin(transaction) => (self.transaction, self.rows) = (transaction, 0),
            Message::Relation(relation) => {
                self.descriptions += 1;
                let id = relation.id;
                let described = Described {
                    relation: Arc::new(relation),
                    version: self.descriptions,
                    message: Bytes::copy_from_slice(message),
                };
                self.relations.insert(id, described);
            }
            Message::Row { relation, row } => {
                self.rows += 1;
                let described = self.relations.get(&relation).ok_or(Undecodable::Unknown('R'))?;
                return Ok(Some((self.arrival(described, row, message), described.version)));
            }
            Message::Other => {}
        }
        Ok(None)
    }

    fn arrival(&self, described: &Described, row: Row, message: &Bytes) -> Arrival {
        Arrival {
            relation: Arc::clone(&described.relation),
            row,
            transaction: self.transaction,
            position: Position { commit: self.transaction.commit, number: self.rows },
            message: message.clone(),
        }
    }

    /// How the table of a row was described.
    fn description(&self, arrival: &Arrival) -> Bytes {
        self.relations
            .get(&arrival.relation.id)
            .map(|described| described.message.clone())
            .unwrap_or_default()
    }
}
