//! The prepared statements of one connection, keyed by role and text.
//!
//! The role is part of the key because Postgres re-plans a statement whenever the role it last
//! ran as differs and row security is involved, which more than doubles the cost of a small query
//! (measured: 163 instead of 75 µs). Roles per connection are few, so this costs little memory.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;

use lru::LruCache;

struct Entry<S> {
    role: Box<str>,
    sql: Box<str>,
    statement: S,
}

/// A bounded, least-recently-used set of prepared statements.
pub(crate) struct Statements<S> {
    hasher: RandomState,
    entries: LruCache<u64, Entry<S>>,
}

impl<S> Statements<S> {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        // Not allocated ahead: most connections see few shapes of statements.
        let mut entries = LruCache::unbounded();
        entries.resize(capacity);
        Self { hasher: RandomState::new(), entries }
    }

    pub(crate) fn get(&mut self, role: &str, sql: &str) -> Option<&S> {
        let key = self.hasher.hash_one((role, sql));
        let entry = self.entries.get(&key)?;
        (*entry.role == *role && *entry.sql == *sql).then_some(&entry.statement)
    }

    /// Returns the statement whose place it took, to be closed on the server.
    pub(crate) fn put(&mut self, role: &str, sql: &str, statement: S) -> Option<S> {
        let key = self.hasher.hash_one((role, sql));
        let entry = Entry { role: role.into(), sql: sql.into(), statement };
        self.entries.push(key, entry).map(|(_, replaced)| replaced.statement)
    }

    /// Forgets all; returns them, to be closed on the server.
    pub(crate) fn drain(&mut self) -> Vec<S> {
        std::iter::from_fn(|| self.entries.pop_lru()).map(|(_, entry)| entry.statement).collect()
    }
}
