//! What the server is told of how far we are: it keeps its log from there on.
//!
//! A temporary slot is of no use to anybody else, so everything that was received is confirmed. Of a durable one only
//! what everybody has is confirmed: what was sent to clients here, and long enough ago that the other instances have
//! heard it, and not what is kept for clients that come back, unless that is too much of the log. If this instance dies, the next one begins there; what it hears twice it knows by its position.
//!
//! Between those times it is told that we are alive: a server that hears nothing for [`SILENCE`] ends the connection,
//! so that another instance can have the stream when this one's host is gone without a word.

use std::time::Duration;

use db::{Error, Lsn, Replication};
use tokio::time::Instant;

use super::slot::Claimed;
use crate::feed::Source;
use crate::service::Service;

/// After how long without a word from us the server ends the stream, for its setting `wal_sender_timeout`.
pub(super) const SILENCE: &str = "8s";

/// How often the server hears from us, whether it asks or not. It asks after half of that silence.
const ALIVE: Duration = Duration::from_secs(2);

/// How often it is told how far we are.
const PERIOD: Duration = Duration::from_secs(10);

/// The same, when it waits for us.
const URGENT: Duration = Duration::from_millis(200);

/// How far the server knows us to be.
pub(super) struct Confirm<'a> {
    service: &'a Service,
    source: Source,
    /// Bytes of the log that may be kept for clients that come back.
    spare: u64,
    at: Instant,
    /// When it is told how far we are.
    advance_at: Instant,
    /// Everything up to here has come.
    seen: Lsn,
    /// What everybody here had at the last time.
    had: Lsn,
    /// What was confirmed.
    confirmed: Lsn,
    /// The server asked: it may be about to stop, and waits until all is confirmed.
    is_released: bool,
}

impl<'a> Confirm<'a> {
    pub(super) fn new(service: &'a Service, source: Source, claimed: &Claimed) -> Self {
        let (now, from) = (Instant::now(), claimed.from.commit);
        Self {
            service,
            source,
            spare: claimed.spare,
            at: now + ALIVE,
            advance_at: now + PERIOD,
            seen: from,
            had: from,
            confirmed: from,
            is_released: false,
        }
    }

    /// When the server is to hear from us.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Everything up to `end` has come.
    pub(super) fn saw(&mut self, end: Lsn) {
        self.seen = self.seen.max(end);
    }

    /// Up to where everything has come.
    pub(super) fn seen(&self) -> Lsn {
        self.seen
    }

    /// The server is to hear from us at once, and of everything.
    pub(super) fn release(&mut self) {
        self.is_released = true;
        self.advance_at = Instant::now();
        self.at = self.advance_at;
    }

    /// Tells the server.
    pub(super) async fn send(&mut self, stream: &mut Replication) -> Result<(), Error> {
        if Instant::now() >= self.advance_at {
            self.advance();
        }
        stream.confirm(self.confirmed).await?;
        self.at = self.advance_at.min(Instant::now() + ALIVE);
        Ok(())
    }

    fn advance(&mut self) {
        let position = if self.service.config().durable_slot {
            // All of what came, if none of it waits.
            let has = self.service.changes.done().unwrap_or(self.seen);
            let before = std::mem::replace(&mut self.had, has);
            // A server that starts anew can hear again what is kept for clients that come back.
            let oldest = self.service.changes.oldest();
            let is_cheap = self.seen.0.saturating_sub(oldest.0) < self.spare;
            if self.is_released {
                has
            } else if is_cheap {
                before.min(oldest)
            } else {
                before
            }
        } else {
            self.seen
        };
        if self.service.changes.done().is_none() {
            self.service.pass(self.source, self.seen.into());
            self.service.voice.pass(&self.service.hub.relay, self.seen.into());
        }
        self.confirmed = self.confirmed.max(position);
        let is_behind = self.is_released && self.confirmed < self.seen;
        self.advance_at = Instant::now() + if is_behind { URGENT } else { PERIOD };
    }
}
