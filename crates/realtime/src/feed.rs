//! Where rows of the stream come in: from the stream itself, or from the instance that has it.
//!
//! At any time there is one source, and everything from elsewhere is passed over. Each row has its position, and
//! those that were here already are passed over too: so one source may follow another without a gap and without a
//! repetition, if it begins early enough. If it does not, something may be missing: that is an interruption, which
//! clients are told of.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::wal::position::Position;

/// Who sends rows: its number among the instances, and which of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) instance: u64,
    /// Later ones are larger, whoever has them.
    pub(crate) stream: u64,
}

/// How often something may have been missed so far; clients compare it with what they have been told.
pub(crate) type Losses = u64;

/// How a source follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// There was none.
    First,
    /// Nothing can be missing in between.
    Seamless,
    /// Something may be missing.
    Gap,
}

/// The rows that come in.
pub(crate) struct Feed {
    state: Mutex<State>,
    /// Set while rows come.
    stands: watch::Sender<Option<Losses>>,
}

#[derive(Debug, Default)]
struct State {
    source: Option<Source>,
    /// The last row that was taken in, or what the first source began behind.
    last: Option<Position>,
    /// Some row was given up since.
    has_lost: bool,
    losses: Losses,
}

impl Default for Feed {
    fn default() -> Self {
        Self { state: Mutex::default(), stands: watch::Sender::new(None) }
    }
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether rows come, for who waits for it.
    pub(crate) fn stands(&self) -> watch::Receiver<Option<Losses>> {
        self.stands.subscribe()
    }

    /// A source begins: it has every row behind `from`.
    pub(crate) fn begin(&self, source: Source, from: Position) -> Begun {
        let mut state = self.state();
        let begun = match state.last {
            None => Begun::First,
            Some(last) if from <= last && !state.has_lost => Begun::Seamless,
            Some(_) => Begun::Gap,
        };
        state.losses += u64::from(begun == Begun::Gap);
        state.has_lost = false;
        state.last = state.last.max(Some(from));
        state.source = Some(source);
        begun
    }

    /// Everything of this source up to `position` has come.
    pub(crate) fn pass(&self, source: Source, position: Position) -> bool {
        let mut state = self.state();
        let is_ours = state.source == Some(source);
        if is_ours {
            state.last = state.last.max(Some(position));
        }
        is_ours
    }

    /// What this source sends is told to clients from now on.
    pub(crate) fn open(&self, source: Source) {
        let state = self.state();
        if state.source == Some(source) {
            self.stands.send_replace(Some(state.losses));
        }
    }

    /// Whether a row of this source is to be taken in; it counts as taken then.
    pub(crate) fn admits(&self, source: Source, position: Position) -> bool {
        let mut state = self.state();
        let is_new = state.source == Some(source) && state.last < Some(position);
        if is_new {
            state.last = Some(position);
        }
        is_new
    }

    /// A source ends.
    pub(crate) fn end(&self, source: Source) {
        let mut state = self.state();
        if state.source == Some(source) {
            state.source = None;
            self.stands.send_if_modified(|stands| stands.take().is_some());
        }
    }

    /// A row was admitted and could not be kept: the source ends, and what follows is an interruption.
    pub(crate) fn lose(&self, source: Source) {
        self.state().has_lost = true;
        self.end(source);
    }
}

#[cfg(test)]
mod tests {
    use db::Lsn;

    use super::*;

    const A: Source = Source { instance: 1, stream: 10 };
    const B: Source = Source { instance: 2, stream: 20 };

    fn at(commit: u64, number: u32) -> Position {
        Position { commit: Lsn(commit), number }
    }

    #[test]
    fn sources_follow_each_other_without_a_gap_or_with_one() {
        let feed = Feed::default();
        assert_eq!(feed.begin(A, at(5, 0)), Begun::First, "what was before it is missed by nobody");
        feed.open(A);
        assert_eq!(*feed.stands().borrow(), Some(0));
        assert!(feed.admits(A, at(6, 1)) && feed.admits(A, at(6, 2)));
        assert!(!feed.admits(A, at(6, 2)), "no row twice");
        assert!(!feed.admits(B, at(7, 1)), "and none from elsewhere");
        assert_eq!(feed.begin(B, at(6, 0)), Begun::Seamless, "it has what is missing");
        feed.end(A);
        assert_eq!(*feed.stands().borrow(), Some(0), "the end of one before is nothing");
        assert!(!feed.admits(B, at(6, 2)) && feed.admits(B, at(6, 3)));
        feed.end(B);
        assert_eq!(*feed.stands().borrow(), None);
        assert_eq!(feed.begin(A, at(6, 4)), Begun::Gap);
        feed.open(A);
        assert_eq!(*feed.stands().borrow(), Some(1));
    }

    #[test]
    fn what_is_given_up_is_an_interruption() {
        let feed = Feed::default();
        feed.begin(A, at(5, 0));
        feed.open(A);
        assert!(feed.admits(A, at(6, 1)));
        feed.lose(A);
        assert_eq!(*feed.stands().borrow(), None);
        assert_eq!(feed.begin(A, at(6, 1)), Begun::Gap, "although it goes on where it was left");
    }
}
