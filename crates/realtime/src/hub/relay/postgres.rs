//! Between instances through their database: each batch is a row, and a notification says that it is there.
//!
//! The notification carries nothing but a hint: its size is bounded, it is lost while the connection is, and
//! whoever can run SQL can send one. Rows are numbered, so that a gap is seen, and kept for a minute, so that an
//! instance that lost its connection reads what it missed. The table is not logged and its rows are written without
//! waiting for the disk.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use db::{Event, Listener, Pool, Target};
use tokio::time::Instant;

use super::{Heard, Inlet, Outlet, Way};
use crate::service::Service;
use crate::store::relay;

/// How long a batch is kept.
const KEPT: Duration = Duration::from_secs(60);

/// Bytes that are kept, however young.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// How often old ones are removed.
const REMOVE: Duration = Duration::from_secs(10);

/// Batches read at once.
const CHUNK: usize = 64;

/// A row with this key is there already.
const UNIQUE_VIOLATION: &str = "23505";

/// The way through the database.
pub(super) struct Postgres {
    pool: Pool,
    /// Past any pooler: a notification reaches the connection that listens.
    direct: Target,
}

impl Postgres {
    pub(super) fn of(service: &Service) -> Self {
        Self { pool: service.pool.clone(), direct: service.stream.clone() }
    }
}

impl Way for Postgres {
    type Out = Rows;
    type In = Hints;

    async fn open(self, own: u64) -> Result<(Rows, Hints), String> {
        let own = own.cast_signed();
        let listener = Listener::start(self.direct, &[relay::CHANNEL]);
        let rows = Rows {
            pool: self.pool.clone(),
            own,
            number: 0,
            kept: VecDeque::new(),
            bytes: 0,
            remove_at: Instant::now() + REMOVE,
        };
        let hints = Hints {
            pool: self.pool,
            own,
            listener,
            seen: HashMap::new(),
            hinted: HashMap::new(),
            ready: VecDeque::new(),
        };
        Ok((rows, hints))
    }
}

/// Writes batches.
pub(super) struct Rows {
    pool: Pool,
    own: i64,
    /// Of the last batch.
    number: i64,
    /// Batches that are still there: when they were written, their numbers and sizes.
    kept: VecDeque<(Instant, i64, usize)>,
    bytes: usize,
    remove_at: Instant,
}

impl Rows {
    async fn write(&mut self, batch: &[u8]) -> Result<(), db::Error> {
        let mut session = self.pool.session().await?;
        if self.number == 0 {
            relay::sweep(&mut session).await?;
        }
        match relay::insert(&mut session, self.own, self.number + 1, batch).await {
            Ok(()) => {}
            // It was written, but the answer was lost.
            Err(error) if error.code() == Some(UNIQUE_VIOLATION) => {}
            Err(error) => return Err(error),
        }
        self.number += 1;
        self.bytes += batch.len();
        self.kept.push_back((Instant::now(), self.number, batch.len()));
        if Instant::now() >= self.remove_at || self.bytes > 2 * KEPT_BYTES {
            self.remove_at = Instant::now() + REMOVE;
            if let Some(last) = self.outdated() {
                relay::delete(&mut session, self.own, last).await?;
            }
        }
        Ok(())
    }

    /// The number up to which batches are too old or too many.
    fn outdated(&mut self) -> Option<i64> {
        let mut last = None;
        while let Some((written_at, number, bytes)) = self.kept.front()
            && (written_at.elapsed() > KEPT || self.bytes > KEPT_BYTES)
        {
            last = Some(*number);
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.kept.pop_front();
        }
        last
    }
}

impl Outlet for Rows {
    async fn send(&mut self, batch: &Bytes) -> Result<(), String> {
        self.write(batch).await.map_err(|error| error.to_string())
    }
}

/// Reads batches when it hears that they are there.
pub(super) struct Hints {
    pool: Pool,
    own: i64,
    listener: Listener,
    /// The last batch read of each sender.
    seen: HashMap<i64, i64>,
    /// Senders with something to read: from behind which batch.
    hinted: HashMap<i64, i64>,
    ready: VecDeque<Heard>,
}

impl Hints {
    /// Notes that a sender wrote a batch.
    fn hint(&mut self, payload: &str) {
        let Some((sender, number)) = payload.split_once(' ') else { return };
        let (Ok(sender), Ok(number)) = (sender.parse(), number.parse::<i64>()) else { return };
        if sender == self.own {
            return;
        }
        match self.seen.get(&sender) {
            Some(seen) if *seen >= number => {}
            Some(seen) => {
                self.hinted.insert(sender, *seen);
            }
            // What it said before is nothing to a listener that was not there.
            None => {
                self.hinted.entry(sender).or_insert_with(|| number.saturating_sub(1));
            }
        }
    }

    /// Reads on where a sender was left.
    async fn read(&mut self, sender: i64, behind: i64) -> Result<(), db::Error> {
        let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
        let mut session = self.pool.session().await?;
        let rows = relay::list(&mut session, sender, behind, limit).await?;
        if rows.len() < CHUNK {
            self.hinted.remove(&sender);
        }
        for (number, batch) in rows {
            let seen = self.seen.insert(sender, number);
            let sender = sender.cast_unsigned();
            let is_gap = seen.is_some_and(|seen| seen.saturating_add(1) != number);
            self.ready.push_back(Heard::Batch { sender, batch, is_behind_gap: is_gap });
            if let Some(hinted) = self.hinted.get_mut(&sender.cast_signed()) {
                *hinted = number;
            }
        }
        Ok(())
    }
}

impl Inlet for Hints {
    async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.ready.pop_front() {
                return heard;
            }
            if let Some((sender, behind)) =
                self.hinted.iter().next().map(|(sender, behind)| (*sender, *behind))
            {
                if let Err(error) = self.read(sender, behind).await {
                    // The sender's next word is a hint again.
                    self.hinted.remove(&sender);
                    tracing::warn!(%error, "what other instances said cannot be read now");
                }
                continue;
            }
            match self.listener.next().await {
                Some(Event::Connected) => {
                    self.hinted.extend(self.seen.iter().map(|(sender, seen)| (*sender, *seen)));
                    self.ready.push_back(Heard::Connected);
                }
                Some(Event::Notified { payload, .. }) => self.hint(&payload),
                Some(Event::Lost(error)) => {
                    tracing::warn!(error, "other instances cannot be heard");
                }
                // The runtime ends.
                None => std::future::pending().await,
            }
        }
    }
}
