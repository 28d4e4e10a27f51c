//! The prepared statements of one connection, keyed by role and text.
//!
//! The role is part of the key because Postgres re-plans a statement whenever the role it last
//! ran as differs and row security is involved, which more than doubles the cost of a small query
//! (measured: 163 instead of 75 µs). Roles per connection are few, so this costs little memory.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;

use lru::LruCache;
use tokio_postgres::Statement;

struct Entry {
    role: Box<str>,
    sql: Box<str>,
    statement: Statement,
}

/// A bounded, least-recently-used set of prepared statements. Dropping a statement closes it on
/// the server with the next message.
pub(crate) struct Statements {
    hasher: RandomState,
    entries: LruCache<u64, Entry>,
}

impl Statements {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self { hasher: RandomState::new(), entries: LruCache::new(capacity) }
    }

    pub(crate) fn get(&mut self, role: &str, sql: &str) -> Option<Statement> {
        let key = self.hasher.hash_one((role, sql));
        let entry = self.entries.get(&key)?;
        (*entry.role == *role && *entry.sql == *sql).then(|| entry.statement.clone())
    }

    pub(crate) fn put(&mut self, role: &str, sql: &str, statement: Statement) {
        let key = self.hasher.hash_one((role, sql));
        self.entries.put(key, Entry { role: role.into(), sql: sql.into(), statement });
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
