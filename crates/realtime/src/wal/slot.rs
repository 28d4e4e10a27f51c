//! Who reads the stream: one instance of all that serve a database, whoever has the slot.
//!
//! A slot is read by one connection at a time, and Postgres lets go of it when that connection ends, however it
//! ends. So the slot is the lock: an instance that finds it in use looks again until it is not.
//!
//! A *temporary* slot goes with its connection: it cannot fill a disk, and what is committed before the next one is
//! made is not heard of. A *durable* one stays; whoever takes it goes on where the one before had confirmed.

use db::{Error, Replication, SlotKind};

use super::confirm::SILENCE;
use super::position::Position;
use crate::config::{self, Config};
use crate::service::Service;
use crate::store::{publication, slot};
use crate::wal::stream::MESSAGES;

/// Bytes of the log that may be kept for clients that come back, if Postgres keeps much more than that.
const SPARE: u64 = 256 * 1024 * 1024;

/// The slot is in use.
const IN_USE: &str = "55006";

/// A slot of this name is there already.
const DUPLICATE: &str = "42710";

/// It is not there any more.
const UNDEFINED: &str = "42704";

/// A stream that begins.
pub(super) struct Claimed {
    pub(super) stream: Replication,
    pub(super) slot: String,
    /// Which history of the database it is of.
    pub(super) history: u32,
    /// Bytes of the log that may be kept for clients that come back.
    pub(super) spare: u64,
    /// It has everything that was committed behind this.
    pub(super) from: Position,
    /// Where the log ended when it began: what it has of before is the past.
    pub(super) end_of_past: Position,
}

/// Takes the stream; none if another instance has it.
///
/// `is_stuck` says that the slot was taken several times, and each time Postgres could not read what it keeps;
/// `is_patient`, that the silence after which Postgres ends the stream is to be its own.
pub(super) async fn claim(
    service: &Service,
    is_stuck: bool,
    is_patient: bool,
) -> Result<Option<Claimed>, Error> {
    let mut session = service.pool.session().await?;
    let name = name(&service.config(), slot::database(&mut session).await?);
    let is_durable = service.config().durable_slot;
    let found = match slot::find(&mut session, &name).await? {
        Some(found) if found.is_active => return Ok(None),
        Some(found) if is_durable && found.is_good() && !is_stuck => Some(found),
        Some(found) => {
            if is_durable && (found.is_lost || is_stuck) {
                service.metrics.error("ReplicationSlotNotAlive");
                let why =
                    if found.is_lost { "max_slot_wal_keep_size is reached" } else { "it cannot be read" };
                tracing::error!(
                    slot = name,
                    why,
                    error_code = "ReplicationSlotNotAlive",
                    "what the slot of the stream kept is given up and the slot made anew; changes are lost"
                );
            }
            match slot::drop(&mut session, &name).await {
                Err(error) if !is_taken(&error) && error.code() != Some(UNDEFINED) => return Err(error),
                Err(_) => return Ok(None),
                Ok(()) => None,
            }
        }
        None => None,
    };
    // One that does not exist would end the stream at the first change.
    let config = service.config();
    let wanted = [MESSAGES, config.publication.as_str()];
    let existing = publication::existing(&mut session, &wanted).await?;
    for missing in wanted.iter().filter(|wanted| !existing.iter().any(|name| name == *wanted)) {
        tracing::warn!(
            publication = missing,
            error_code = "StartReplicationFailed",
            "a publication is missing; what it would bring is not heard of until it is there"
        );
    }
    let login = service.stream.clone();
    let login = if is_patient { login } else { login.with_option("wal_sender_timeout", SILENCE) };
    let mut stream = Replication::connect(&login).await?;
    if found.is_none() {
        let kind = if is_durable { SlotKind::Durable } else { SlotKind::Temporary };
        match stream.create(&name, kind).await {
            Err(error) if is_taken(&error) => return Ok(None),
            created => created?,
        }
    }
    let health = slot::health(&mut session, &name).await?;
    let bound = health.and_then(|health| u64::try_from(health.bound).ok()).filter(|bound| *bound > 0);
    let history = slot::history(&mut session).await?;
    let end_of_log = slot::end_of_log(&mut session).await?.into();
    let publications: Vec<_> = existing.iter().map(String::as_str).collect();
    match stream.start(&name, &publications).await {
        Err(error) if is_taken(&error) => return Ok(None),
        started => started?,
    }
    let from = found.map_or(end_of_log, |found| found.confirmed.into());
    Ok(Some(Claimed {
        stream,
        slot: name,
        history,
        spare: bound.map_or(SPARE, |bound| SPARE.min(bound / 4)),
        from,
        end_of_past: end_of_log,
    }))
}

fn is_taken(error: &Error) -> bool {
    matches!(error.code(), Some(IN_USE | DUPLICATE))
}

/// The name of the slot for a database: all instances have the same, or, if they are not to know of each other,
/// each its own.
fn name(config: &Config, database: u32) -> String {
    let name = format!("{}_{database}", config.slot_name);
    match config.relay {
        config::Relay::None if !config.durable_slot => format!("{name}_{:08x}", rand::random::<u32>()),
        _ => name,
    }
}
