//! Verification with a memory.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::TokenError;
use lru::LruCache;

use crate::api_key::sha256;
use crate::{KeySet, LiveKeys, Policy, Verified};

/// Tokens, and the keys that verified them.
struct Cache {
    keys: KeySet,
    tokens: LruCache<[u8; 32], Arc<Verified>>,
}

/// Keys, rules, and the tokens seen last.
///
/// The cache holds signatures that proved true, by the token's SHA-256, and nothing else: time
/// and audience are checked on every call, and errors are not remembered. It holds what the keys of
/// now verified: where they are replaced, it is emptied, so that a key that is gone verifies nothing.
pub struct Verifier {
    keys: LiveKeys,
    policy: Policy,
    cache: Option<Mutex<Cache>>,
}

impl Verifier {
    /// A verifier that remembers up to `entries` tokens; 0 remembers none.
    #[must_use]
    pub fn new(keys: impl Into<LiveKeys>, policy: Policy, entries: usize) -> Self {
        let keys = keys.into();
        let cache = NonZeroUsize::new(entries)
            .map(|entries| Mutex::new(Cache { keys: keys.current(), tokens: LruCache::new(entries) }));
        Self { keys, policy, cache }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &LiveKeys {
        &self.keys
    }

    /// Verifies `token` at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// As [`KeySet::verify`].
    pub fn verify(&self, token: &str, now: i64) -> Result<Arc<Verified>, TokenError> {
        let keys = self.keys.current();
        let verified = match &self.cache {
            None => Arc::new(keys.open(token, &self.policy)?),
            Some(cache) => self.remembered(&keys, cache, token)?,
        };
        self.policy.check(verified.fields(), now)?;
        Ok(verified)
    }

    fn remembered(
        &self,
        keys: &KeySet,
        cache: &Mutex<Cache>,
        token: &str,
    ) -> Result<Arc<Verified>, TokenError> {
        let digest = sha256(token);
        let known = Cache::of(keys, cache).tokens.get(&digest).map(Arc::clone);
        if let Some(verified) = known {
            return Ok(verified);
        }
        let verified = Arc::new(keys.open(token, &self.policy)?);
        Cache::of(keys, cache).tokens.put(digest, Arc::clone(&verified));
        Ok(verified)
    }
}

impl Cache {
    /// What these keys verified, and no others.
    fn of<'a>(keys: &KeySet, cache: &'a Mutex<Self>) -> MutexGuard<'a, Self> {
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if !cache.keys.is(keys) {
            cache.tokens.clear();
            cache.keys = keys.clone();
        }
        cache
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
