//! One key: what it verifies, what it signs with, what of it is public.

use jsonwebtoken::{DecodingKey, EncodingKey, crypto};
use serde_json::Value;

use crate::{Algorithm, SignError};

/// A key with the algorithms of its kind, decided when it was loaded.
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    /// All that it verifies with; the first is what it signs with.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
    pub(crate) encoding: Option<EncodingKey>,
    /// The published JWK; absent for symmetric keys, which are never published.
    pub(crate) public: Option<Value>,
}

impl Key {
    /// The HS256 key that a plain secret stands for: its bytes, without a `kid`.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self {
            kid: None,
            algorithms: vec![Algorithm::HS256],
            decoding: DecodingKey::from_secret(secret),
            encoding: Some(EncodingKey::from_secret(secret)),
            public: None,
        }
    }

    /// The algorithm that [`Key::sign`] uses; `None` if the key cannot sign.
    pub(crate) fn signing_algorithm(&self) -> Option<Algorithm> {
        self.algorithms.first().copied().filter(|_| self.encoding.is_some())
    }

    /// The signature over `message`, in base64url.
    pub(crate) fn sign(&self, message: &str) -> Result<String, SignError> {
        let (key, algorithm) = self.encoding.as_ref().zip(self.algorithms.first()).ok_or(SignError::NoKey)?;
        crypto::sign(message.as_bytes(), key, algorithm.implementation()).map_err(|_| SignError::Failed)
    }

    /// True if this key has `algorithm` and made `signature` (base64url) over `message` with it.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        self.algorithms.contains(&algorithm)
            && crypto::verify(signature, message.as_bytes(), &self.decoding, algorithm.implementation())
                .unwrap_or(false)
    }
}
