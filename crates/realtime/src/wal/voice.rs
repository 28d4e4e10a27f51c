//! What the instance that has the stream tells the others of it.
//!
//! Rows are numbered, so that each of the others sees when one is missing; what is said of the stream itself is said
//! between two rows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::decode::Transaction;
use super::position::Position;
use crate::hub::relay::Relay;
use crate::hub::relay::envelope::{Envelope, Row};

/// Speaks while this instance has the stream.
#[derive(Default)]
pub(crate) struct Voice(Mutex<Option<Held>>);

/// The stream that this instance has.
struct Held {
    stream: u64,
    history: u32,
    /// Of the next row.
    number: u64,
    /// Of the last row, or of all that has come without one.
    position: Position,
}

/// A row as it came along the stream.
pub(super) struct Streamed<'a> {
    pub(super) transaction: Transaction,
    pub(super) position: Position,
    /// Which description of its table is meant.
    pub(super) version: u64,
    /// The description.
    pub(super) relation: &'a Bytes,
    pub(super) row: &'a Bytes,
}

impl Voice {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this instance has the stream.
    pub(crate) fn is_ours(&self) -> bool {
        self.held().is_some()
    }

    /// The stream is ours, with everything behind `from`.
    pub(super) fn begin(&self, relay: &Relay, stream: u64, history: u32, from: Position) {
        *self.held() = Some(Held { stream, history, number: 0, position: from });
        self.announce(relay);
    }

    /// Says that the stream is here, and where it is.
    pub(crate) fn announce(&self, relay: &Relay) {
        if let Some(Held { stream, history, number, position }) = *self.held() {
            relay.pass_on(|| Envelope::Stream { stream, history, number, behind: position });
        }
    }

    /// All rows up to `position` have come.
    pub(super) fn pass(&self, relay: &Relay, position: Position) {
        if let Some(held) = &mut *self.held() {
            held.position = held.position.max(position);
        }
        self.announce(relay);
    }

    /// Passes a row on.
    pub(super) fn pass_on(&self, relay: &Relay, streamed: &Streamed<'_>) {
        let mut held = self.held();
        let Some(held) = &mut *held else { return };
        relay.pass_on(|| {
            Envelope::Row(Row {
                stream: held.stream,
                number: held.number,
                transaction: streamed.transaction,
                position: streamed.position,
                version: streamed.version,
                relation: streamed.relation.clone(),
                row: streamed.row.clone(),
            })
        });
        held.number += 1;
        held.position = held.position.max(streamed.position);
    }

    /// The stream is not ours any more.
    pub(super) fn end(&self, relay: &Relay) {
        if let Some(Held { stream, .. }) = self.held().take() {
            relay.pass_on(|| Envelope::Broken { stream });
            // Somebody else may have it already.
            relay.pass_on(|| Envelope::Hello);
        }
    }
}
