//! The connection along which changes come, kept for as long as the server runs.
//!
//! When it is lost it is made anew, without end: after 100 ms, then later and later, up to five seconds. What
//! is written to the database in between is not heard of; the slot dies with the connection, so that no disk
//! is filled by a reader that is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::{Error, Lsn, Replication, Streamed};
use kernel::{Stop, Task};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::decode::{Message, Relation, Row, Transaction, Undecodable, decode};
use super::messages;
use crate::service::Service;
use crate::store::publication;

/// The publication of the messages.
pub(crate) const MESSAGES: &str = "supabase_realtime_messages_publication";

/// Upstream's name; what follows tells instances apart.
const SLOT: &str = "supabase_realtime_messages_replication_slot";

/// How often the server hears from us, whether it asks or not.
const CONFIRM: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What others know of the stream and may do to it.
#[derive(Default)]
pub(crate) struct Follow {
    /// Makes it begin anew.
    pub(crate) restart: Notify,
    slot: Mutex<Option<String>>,
}

impl Follow {
    /// The slot that is in use.
    pub(crate) fn slot(&self) -> Option<String> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_slot(&self, slot: Option<String>) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = slot;
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
    while !stop.is_stopped() {
        let begun = Instant::now();
        let broken = tokio::select! {
            Err(broken) = follow(service) => Some(broken),
            // Whoever wants that has said why.
            () = service.follow.restart.notified() => None,
            () = stop.stopped() => break,
        };
        service.follow.set_slot(None);
        service.stands.send_replace(false);
        let Some(broken) = broken else { continue };
        if begun.elapsed() > LONGEST_PAUSE {
            (pause, is_new) = (FIRST_PAUSE, true);
        }
        // One clear line for each outage.
        if std::mem::take(&mut is_new) {
            tracing::warn!(error = %broken, error_code = code(&broken), "the stream of changes is interrupted");
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.stopped() => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    service.stands.send_replace(false);
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

async fn follow(service: &Service) -> Result<std::convert::Infallible, Broken> {
    let wanted = [MESSAGES, service.config.publication.as_str()];
    // One that does not exist would end the stream at the first change.
    let existing = publication::existing(&mut service.pool.session().await?, &wanted).await?;
    for missing in wanted.iter().filter(|wanted| !existing.iter().any(|name| name == *wanted)) {
        tracing::warn!(
            publication = missing,
            error_code = "StartReplicationFailed",
            "a publication is missing; what it would bring is not heard of until it is there"
        );
    }
    let mut stream = Replication::connect(&service.stream).await?;
    let slot = format!("{SLOT}_{:08x}", rand::random::<u32>());
    stream.start(&slot, &existing.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    service.follow.set_slot(Some(slot));
    service.stands.send_replace(true);
    tracing::debug!("the stream of changes stands");
    let mut reader = Reader { service, relations: HashMap::new(), transaction: Transaction::default() };
    let mut seen = Lsn::default();
    let mut confirm_at = Instant::now() + CONFIRM;
    loop {
        let streamed = tokio::select! {
            streamed = stream.next() => Some(streamed?),
            () = sleep_until(confirm_at) => None,
        };
        let mut is_asked = streamed.is_none();
        match streamed {
            Some(Streamed::Change { message, end }) => {
                if let Some((relation, row)) = reader.take(decode(&message)?) {
                    // The server must hear from us even when nobody keeps up with it.
                    let share = loop {
                        tokio::select! {
                            share = service.changes.room(&row) => break share,
                            () = sleep_until(confirm_at) => {
                                stream.confirm(seen).await?;
                                confirm_at = Instant::now() + CONFIRM;
                            }
                        }
                    };
                    service.changes.put(&relation, row, reader.transaction, share);
                }
                seen = seen.max(end);
            }
            Some(Streamed::Alive { end, wants_answer }) => {
                // Also what does not concern us must be confirmed, or the server keeps its log for us.
                seen = seen.max(end);
                is_asked |= wants_answer;
            }
            None => {}
        }
        if is_asked || Instant::now() >= confirm_at {
            stream.confirm(seen).await?;
            confirm_at = Instant::now() + CONFIRM;
        }
    }
}

/// Reads messages in their order.
struct Reader<'a> {
    service: &'a Service,
    relations: HashMap<u32, Arc<Relation>>,
    /// The transaction that is being read.
    transaction: Transaction,
}

impl Reader<'_> {
    /// Takes a message; a change that somebody may want comes back.
    fn take(&mut self, message: Message) -> Option<(Arc<Relation>, Row)> {
        match message {
            Message::Begin(transaction) => self.transaction = transaction,
            Message::Relation(relation) => {
                self.relations.insert(relation.id, Arc::new(relation));
            }
            Message::Row { relation, row } => {
                let relation = self.relations.get(&relation)?;
                // They are on no publication but ours, which brings insertions only.
                if messages::is_about(relation) {
                    if let Row::Insert { new } = &row {
                        messages::send(self.service, relation, new);
                    }
                } else if self.service.changes.is_wanted() {
                    return Some((Arc::clone(relation), row));
                }
            }
            Message::Other => {}
        }
        None
    }
}
