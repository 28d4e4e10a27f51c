//! Changes of the last while, for clients that come back and say what they had last.
//!
//! They are kept as the stream had them, bounded in bytes and in time: what a client may see of them is decided when it
//! comes back. A client names a place by a [`Bookmark`]; one that was made on another history of the database, as before
//! it was restored from a backup, or one from before what is kept, is not known: better told so than served a gap.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::Lsn;
use tokio::time::Instant;

use super::{Arrival, OVERHEAD};
use crate::wal::decode::{Message, Relation, Transaction, decode};
use crate::wal::position::{NoPosition, Position};

/// Where a client was: on which history, and where there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    pub(crate) history: u32,
    pub(crate) position: Position,
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{}", self.history, self.position)
    }
}

impl FromStr for Bookmark {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (history, position) = text.split_once('.').ok_or(NoPosition)?;
        let history = u32::from_str_radix(history, 16).map_err(|_| NoPosition)?;
        Ok(Self { history, position: position.parse()? })
    }
}

/// A change that is kept.
struct Kept {
    at: Instant,
    relation: Arc<Relation>,
    transaction: Transaction,
    position: Position,
    message: Bytes,
}

/// Changes that are kept.
pub(super) struct Past {
    window: Duration,
    most: usize,
    history: u32,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// All changes behind this one are kept.
    floor: Position,
    /// The last that is known of, and everything before it.
    now: Position,
}

impl Past {
    /// Keeps changes for so long, and so many bytes of them.
    pub(super) fn new(window: Duration, most: usize) -> Self {
        Self {
            window,
            most,
            history: 0,
            kept: VecDeque::new(),
            bytes: 0,
            floor: Position::default(),
            now: Position::default(),
        }
    }

    /// A source of changes begins behind `from`.
    pub(super) fn begin(&mut self, history: u32, from: Position, is_seamless: bool) {
        if is_seamless && history == self.history {
            return;
        }
        self.kept.clear();
        self.bytes = 0;
        (self.history, self.floor, self.now) = (history, from, from);
    }

    /// Everything up to `position` is known.
    pub(super) fn pass(&mut self, position: Position, now: Instant) {
        self.now = self.now.max(position);
        self.shrink(now);
    }

    /// Keeps a change.
    pub(super) fn keep(&mut self, arrival: &Arrival, now: Instant) {
        self.bytes += arrival.message.len() + OVERHEAD;
        self.kept.push_back(Kept {
            at: now,
            relation: Arc::clone(&arrival.relation),
            transaction: arrival.transaction,
            position: arrival.position,
            // Of its own: otherwise it would hold on to all that was received with it.
            message: Bytes::copy_from_slice(&arrival.message),
        });
        self.pass(arrival.position, now);
    }

    fn shrink(&mut self, now: Instant) {
        while let Some(first) = self.kept.front()
            && (self.bytes > self.most || now.duration_since(first.at) > self.window)
        {
            self.bytes = self.bytes.saturating_sub(first.message.len() + OVERHEAD);
            self.floor = first.position;
            self.kept.pop_front();
        }
    }

    /// The first commit of which something is kept.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        Some(self.kept.front()?.position.commit)
    }

    /// Where we are.
    pub(super) fn bookmark(&self) -> Bookmark {
        Bookmark { history: self.history, position: self.now }
    }

    /// All changes behind a bookmark, if they are kept.
    pub(super) fn behind(&self, bookmark: Bookmark) -> Option<Vec<Arrival>> {
        let is_known = bookmark.history == self.history
            && self.floor <= bookmark.position
            && bookmark.position <= self.now;
        let first = self.kept.partition_point(|kept| kept.position <= bookmark.position);
        let arrival = |kept: &Kept| {
            let Ok(Message::Row { row, .. }) = decode(&kept.message) else { return None };
            let (relation, message) = (Arc::clone(&kept.relation), kept.message.clone());
            let Kept { transaction, position, .. } = *kept;
            Some(Arrival { relation, row, transaction, position, message })
        };
        is_known.then(|| self.kept.range(first..).map(arrival).collect::<Option<_>>()).flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::wal::decode::Row;

    fn at(commit: u64, number: u32) -> Position {
        Position { commit: Lsn(commit), number }
    }

    fn arrival(position: Position) -> Arrival {
        let relation = Relation { id: 7, schema: "public".into(), name: "t".into(), columns: Vec::new() };
        Arrival {
            relation: Arc::new(relation),
            row: Row::Insert { new: Vec::new() },
            transaction: Transaction { commit: position.commit, ..Transaction::default() },
            position,
            message: Bytes::from_static(b"I\0\0\0\x07N\0\0"),
        }
    }

    fn behind(past: &Past, position: Position) -> Option<Vec<Position>> {
        let found = past.behind(Bookmark { history: 1, position })?;
        Some(found.iter().map(|arrival| arrival.position).collect())
    }

    #[test]
    fn bookmarks_are_written_and_read() {
        let one = Bookmark { history: 0xabc, position: at(0x2_0000_000a, 3) };
        assert_eq!(one.to_string(), "00000abc.2/A.3");
        assert_eq!("00000abc.2/A.3".parse(), Ok(one));
        for text in ["", "2/A.3", "x.2/A.3", "00000abc.2/A"] {
            assert!(text.parse::<Bookmark>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_not_is_not_known() {
        let now = Instant::now();
        let mut past = Past::new(Duration::from_secs(60), 3 * (8 + OVERHEAD));
        past.begin(1, at(5, 0), false);
        for position in [at(6, 1), at(6, 2), at(8, 1)] {
            past.keep(&arrival(position), now);
        }
        past.pass(at(9, 0), now);
        assert_eq!(past.bookmark(), Bookmark { history: 1, position: at(9, 0) });
        assert_eq!(behind(&past, at(5, 0)), Some(vec![at(6, 1), at(6, 2), at(8, 1)]));
        assert_eq!(behind(&past, at(6, 1)), Some(vec![at(6, 2), at(8, 1)]));
        assert_eq!(behind(&past, at(7, 0)), Some(vec![at(8, 1)]), "a place between two");
        assert_eq!(behind(&past, at(9, 0)), Some(Vec::new()));
        assert_eq!(behind(&past, at(4, 9)), None, "before what is kept");
        assert_eq!(behind(&past, at(9, 1)), None, "a future of another history");
        assert!(past.behind(Bookmark { history: 2, position: at(6, 1) }).is_none());
        past.keep(&arrival(at(10, 1)), now);
        assert_eq!(behind(&past, at(5, 0)), None, "there is no room for the first");
        assert_eq!(behind(&past, at(6, 1)), Some(vec![at(6, 2), at(8, 1), at(10, 1)]));
        past.begin(1, at(8, 0), true);
        assert_eq!(behind(&past, at(8, 1)), Some(vec![at(10, 1)]));
        past.begin(1, at(20, 0), false);
        assert_eq!((behind(&past, at(10, 1)), past.oldest()), (None, None));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut past = Past::new(Duration::from_secs(60), usize::MAX);
        past.begin(1, at(5, 0), false);
        past.keep(&arrival(at(6, 1)), start);
        past.keep(&arrival(at(7, 1)), after(40));
        past.pass(at(8, 0), after(80));
        assert_eq!((behind(&past, at(5, 0)), past.oldest()), (None, Some(Lsn(7))));
        assert_eq!(behind(&past, at(6, 1)), Some(vec![at(7, 1)]));
    }
}
