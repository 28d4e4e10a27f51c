//! Keys that may be replaced while they are in use.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kernel::TokenError;
use serde_json::{Map, Value};

use crate::{Algorithm, KeySet, Policy, SignError, Verified};

/// The keys of a running installation. Clones share them: what one replaces, all see, and work
/// that has begun goes on with the keys it began with.
#[derive(Clone, Default)]
pub struct LiveKeys(Arc<ArcSwap<KeySet>>);

impl LiveKeys {
    /// The keys of now.
    #[must_use]
    pub fn current(&self) -> KeySet {
        (**self.0.load()).clone()
    }

    /// Puts other keys in their place.
    pub fn replace(&self, keys: KeySet) {
        self.0.store(Arc::new(keys));
    }

    /// As [`KeySet::sign`].
    ///
    /// # Errors
    ///
    /// If no key signs.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, SignError> {
        self.0.load().sign(claims)
    }

    /// As [`KeySet::verify`].
    ///
    /// # Errors
    ///
    /// Why the token is refused.
    pub fn verify(&self, token: &str, policy: &Policy, now: i64) -> Result<Arc<Verified>, TokenError> {
        self.0.load().verify(token, policy, now)
    }

    /// As [`KeySet::signing_algorithm`].
    #[must_use]
    pub fn signing_algorithm(&self) -> Option<Algorithm> {
        self.0.load().signing_algorithm()
    }

    /// As [`KeySet::jwks`].
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.0.load().jwks()
    }
}

impl From<KeySet> for LiveKeys {
    fn from(keys: KeySet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }
}

impl fmt::Debug for LiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(f)
    }
}
