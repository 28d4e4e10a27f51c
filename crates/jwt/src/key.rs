//! One key: what it verifies, what it signs with, what of it is public.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RsaKeyPair,
};
use serde_json::{Map, Value};

use crate::{Algorithm, SignError};

/// A key with the algorithms of its kind, decided when it was loaded.
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    pub(crate) checks: Vec<(Algorithm, Check)>,
    pub(crate) signer: Option<(Algorithm, Signer)>,
    /// The published JWK; absent for symmetric keys, which are never published.
    pub(crate) public: Option<Map<String, Value>>,
}

/// How one algorithm of a key verifies.
pub(crate) enum Check {
    Shared(Arc<hmac::Key>),
    Public(ParsedPublicKey),
}

/// How a key signs.
pub(crate) enum Signer {
    Shared(Arc<hmac::Key>),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    /// The HS256 key that a plain secret stands for: its bytes, without a `kid`.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self {
            kid: None,
            checks: vec![(Algorithm::HS256, Check::Shared(Arc::clone(&key)))],
            signer: Some((Algorithm::HS256, Signer::Shared(key))),
            public: None,
        }
    }

    /// True if this key has `algorithm` and made `signature` over `message` with it.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.checks.iter().filter(|(own, _)| *own == algorithm).any(|(_, check)| match check {
            Check::Shared(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(key) => key.verify_sig(message, signature).is_ok(),
        })
    }
}

impl Signer {
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match self {
            Self::Shared(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Ecdsa(pair) => {
                pair.sign(&random, message).map(|s| s.as_ref().to_vec()).map_err(|_| SignError::Failed)
            }
            Self::Ed25519(pair) => {
                pair.try_sign(message).map(|s| s.as_ref().to_vec()).map_err(|_| SignError::Failed)
            }
            Self::Rsa(pair) => {
                let padding = match algorithm {
                    Algorithm::RS384 => &RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).map_err(|_| SignError::Failed)?;
                Ok(signature)
            }
        }
    }
}
