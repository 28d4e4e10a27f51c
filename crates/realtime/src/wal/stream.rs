//! The connection along which changes come, kept for as long as the server runs.
//!
//! When it is lost it is made anew, without end: after 100 ms, then later and later, up to five seconds. What
//! is written to the database in between is not heard of; the slot dies with the connection, so that no disk
//! is filled by a reader that is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Lsn, Replication, Streamed};
use kernel::{Stop, Task};
use tokio::time::{Instant, sleep};

use super::decode::{Message, Relation, Undecodable, decode};
use super::messages;
use crate::service::Service;

/// The publication of the messages.
pub(crate) const MESSAGES: &str = "supabase_realtime_messages_publication";

/// Upstream's name; what follows tells instances apart.
const SLOT: &str = "supabase_realtime_messages_replication_slot";

/// How often the server hears from us, whether it asks or not.
const CONFIRM: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
            Err(broken) = follow(service) => broken,
            () = stop.stopped() => break,
        };
        service.stands.send_replace(false);
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
    let mut stream = Replication::connect(&service.stream).await?;
    stream.start(&format!("{SLOT}_{:08x}", rand::random::<u32>()), &[MESSAGES]).await?;
    service.stands.send_replace(true);
    tracing::debug!("the stream of changes stands");
    let mut relations: HashMap<u32, Relation> = HashMap::new();
    let mut seen = Lsn::default();
    let mut confirm_at = Instant::now() + CONFIRM;
    loop {
        let streamed = tokio::select! {
            streamed = stream.next() => Some(streamed?),
            () = tokio::time::sleep_until(confirm_at) => None,
        };
        let mut is_asked = streamed.is_none();
        match streamed {
            Some(Streamed::Change { message, end }) => {
                seen = seen.max(end);
                take(service, &mut relations, decode(&message)?);
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

fn take(service: &Service, relations: &mut HashMap<u32, Relation>, message: Message) {
    match message {
        Message::Relation(relation) => {
            relations.insert(relation.id, relation);
        }
        Message::Insert { relation, new } => {
            if let Some(relation) = relations.get(&relation).filter(|relation| messages::is_about(relation)) {
                messages::send(service, relation, &new);
            }
        }
        Message::Other => {}
    }
}
