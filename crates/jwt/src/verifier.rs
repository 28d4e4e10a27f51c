//! Verification with a memory.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::TokenError;
use lru::LruCache;

use crate::api_key::sha256;
use crate::{KeySet, Policy, Verified};

type Cache = Mutex<LruCache<[u8; 32], Arc<Verified>>>;

/// Keys, rules, and the tokens seen last.
///
/// The cache holds signatures that proved true, by the token's SHA-256, and nothing else: time
/// and audience are checked on every call, and errors are not remembered. New keys or rules need
/// a new verifier, which starts empty.
pub struct Verifier {
    keys: KeySet,
    policy: Policy,
    cache: Option<Cache>,
}

impl Verifier {
    /// A verifier that remembers up to `entries` tokens; 0 remembers none.
    #[must_use]
    pub fn new(keys: KeySet, policy: Policy, entries: usize) -> Self {
        let cache = NonZeroUsize::new(entries).map(|entries| Mutex::new(LruCache::new(entries)));
        Self { keys, policy, cache }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Verifies `token` at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// As [`KeySet::verify`].
    pub fn verify(&self, token: &str, now: i64) -> Result<Arc<Verified>, TokenError> {
        let verified = match &self.cache {
            None => Arc::new(self.keys.open(token, &self.policy)?),
            Some(cache) => self.remembered(cache, token)?,
        };
        self.policy.check(verified.fields(), now)?;
        Ok(verified)
    }

    fn remembered(&self, cache: &Cache, token: &str) -> Result<Arc<Verified>, TokenError> {
        let digest = sha256(token);
        let known = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).map(Arc::clone);
        if let Some(verified) = known {
            return Ok(verified);
        }
        let verified = Arc::new(self.keys.open(token, &self.policy)?);
        cache.lock().unwrap_or_else(PoisonError::into_inner).put(digest, Arc::clone(&verified));
        Ok(verified)
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
