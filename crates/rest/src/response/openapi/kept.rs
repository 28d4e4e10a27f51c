//! Descriptions that were built already.
//!
//! A description depends on the snapshot of the schema, on what its caller may see of it, on its
//! form and on the address that the client used; callers with the same rights share one. What a
//! caller may see is asked of the database for every request, so a kept description is never
//! more than its caller may see now.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;

use crate::plan::Dialect;

/// Descriptions kept at most: clients choose the address that they are for.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// Bytes of all kept descriptions together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What a description depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The version of the snapshot.
    pub version: u64,
    /// The schema that is described.
    pub schema: String,
    /// Its form.
    pub dialect: Dialect,
    /// Where the client reached us.
    pub host: String,
    /// A digest of what the caller may see, from [`Descriptions::digest`].
    pub rights: u64,
}

/// A few descriptions, those used least recently given up first.
#[derive(Debug)]
pub(crate) struct Descriptions {
    hasher: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    version: u64,
    bytes: usize,
    all: LruCache<Key, Bytes>,
}

impl Default for Descriptions {
    fn default() -> Self {
        let kept = Kept { version: 0, bytes: 0, all: LruCache::new(MOST) };
        Self { hasher: RandomState::new(), kept: Mutex::new(kept) }
    }
}

impl Descriptions {
    /// A digest that cannot be chosen from outside.
    pub fn digest(&self, rights: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(rights)
    }

    /// The description, built if it is not kept.
    ///
    /// # Errors
    ///
    /// Those of `build`.
    pub fn get<E>(&self, key: Key, build: impl FnOnce() -> Result<Bytes, E>) -> Result<Bytes, E> {
        if let Some(kept) = self.lock().all.get(&key) {
            return Ok(kept.clone());
        }
        // Built outside the lock: two may build the same, nobody waits.
        let built = build()?;
        self.lock().put(key, built.clone());
        Ok(built)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing here can be left half-done by a panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, key: Key, built: Bytes) {
        if key.version > self.version {
            self.all.clear();
            self.bytes = 0;
            self.version = key.version;
        }
        if key.version < self.version || built.len() > MOST_BYTES {
            return;
        }
        self.bytes += built.len();
        if let Some((_, replaced)) = self.all.push(key, built) {
            self.bytes -= replaced.len();
        }
        while self.bytes > MOST_BYTES
            && let Some((_, oldest)) = self.all.pop_lru()
        {
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::convert::Infallible;

    fn key(version: u64, host: &str, rights: u64) -> Key {
        let schema = "public".to_owned();
        Key { version, schema, dialect: Dialect::Swagger2, host: host.to_owned(), rights }
    }

    fn text(all: &Descriptions, key: Key, text: &'static str) -> Bytes {
        let built: Result<_, Infallible> = all.get(key, || Ok(Bytes::from_static(text.as_bytes())));
        built.unwrap()
    }

    fn size(all: &Descriptions) -> (usize, usize) {
        let kept = all.lock();
        (kept.all.len(), kept.bytes)
    }

    #[test]
    fn what_was_built_is_not_built_again() {
        let all = Descriptions::default();
        assert_eq!(text(&all, key(1, "a", 1), "one"), "one");
        assert_eq!(text(&all, key(1, "a", 1), "two"), "one");
        for other in [key(1, "b", 1), key(1, "a", 2), key(2, "a", 1)] {
            assert_eq!(text(&all, other, "other"), "other");
        }
        let modern = Key { dialect: Dialect::OpenApi31, ..key(2, "a", 1) };
        assert_eq!(text(&all, modern, "modern"), "modern");
    }

    #[test]
    fn a_new_snapshot_gives_up_what_was_kept_of_the_old() {
        let all = Descriptions::default();
        text(&all, key(1, "a", 1), "old");
        text(&all, key(2, "a", 1), "new");
        // A request that still holds the old snapshot is answered, and leaves nothing behind.
        assert_eq!(text(&all, key(1, "a", 1), "again"), "again");
        assert_eq!(size(&all), (1, 3));
    }

    #[test]
    fn addresses_cannot_fill_the_memory() {
        let all = Descriptions::default();
        for n in 0..1000 {
            text(&all, key(1, &n.to_string(), 1), "1234");
        }
        assert_eq!(size(&all), (16, 64));
        let large = Bytes::from(vec![0; MOST_BYTES / 2]);
        for n in 0..4 {
            all.get::<Infallible>(key(1, &n.to_string(), 2), || Ok(large.clone())).unwrap();
        }
        assert!(size(&all).1 <= MOST_BYTES);
        all.get::<Infallible>(key(1, "large", 3), || Ok(vec![0; MOST_BYTES + 1].into())).unwrap();
        assert_eq!(text(&all, key(1, "large", 3), "not kept"), "not kept");
    }
}
