//! API keys: what an application presents besides a user's token.
//!
//! Opaque keys are `sb_publishable_` or `sb_secret_`, 22 random base64url characters, `_`, and 8
//! characters of checksum: the start of base64url(SHA-256(`<project>|<prefix><22 characters>`)).
//! The checksum only tells a mistyped key from an unknown one; keys from elsewhere that an
//! operator configures (the command line tool's fixed ones) are accepted as they are.
//!
//! Legacy keys are JWTs with the role `anon` or `service_role`, verified like any token; every
//! such token that our keys signed is a key, as there is no list to look up.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use kernel::identity::Proof;
use kernel::{Claims, Identity, RoleName, Secret};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::generate::{self, NoRandomness};
use crate::token::base64url;
use crate::{KeySet, SignError, Verifier};

/// What upstream's checksum takes as the project of a self-hosted installation.
const PROJECT: &str = "supabase-self-hosted";
const PUBLISHABLE: &str = "sb_publishable_";
const SECRET: &str = "sb_secret_";
const BODY: usize = 22;
const CHECKSUM: usize = 8;
/// How long the token that an opaque key stands for is said to live: 10 years of 365 days.
const LIFETIME: i64 = 10 * 365 * 24 * 60 * 60;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May be shown to browsers; acts as `anon`.
    Publishable,
    /// For servers only; acts as `service_role`.
    Secret,
    /// A JWT with the role `anon` or `service_role`.
    Legacy,
}

/// A key that nobody configured or signed. No reason is given: it would help only to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown API key")]
pub struct UnknownKey;

/// A fresh publishable key.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn publishable() -> Result<Secret, NoRandomness> {
    opaque(PUBLISHABLE)
}

/// A fresh secret key.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn secret() -> Result<Secret, NoRandomness> {
    opaque(SECRET)
}

fn opaque(prefix: &str) -> Result<Secret, NoRandomness> {
    let mut key = base64url::encode(&generate::bytes::<17>()?);
    key.truncate(BODY);
    key.insert_str(0, prefix);
    let checksum = checksum(&key);
    key.push('_');
    key.push_str(&checksum);
    Ok(Secret::new(key))
}

fn checksum(key: &str) -> String {
    let mut text = base64url::encode(&sha256(&format!("{PROJECT}|{key}")));
    text.truncate(CHECKSUM);
    text
}

/// The digest under which a key or a token is kept and compared.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// A legacy key: an HS256 token of the secret, in the form of those every client has seen.
///
/// # Errors
///
/// If signing fails.
pub fn mint_legacy(secret: &str, role: &str, iat: i64, exp: i64) -> Result<Secret, SignError> {
    let claims = json!({ "iss": "supabase", "role": role, "iat": iat, "exp": exp });
    let claims = claims.as_object().ok_or(SignError::Failed)?;
    KeySet::from_secret(secret).sign(claims).map(Secret::new)
}

/// The caller behind a key.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Role and claims of the key.
    pub identity: Arc<Identity>,
    /// What kind of key it was.
    pub kind: Kind,
}

#[derive(Clone)]
struct Known {
    digest: [u8; 32],
    resolved: Resolved,
}

#[derive(Clone, Default)]
struct Accepted {
    known: Vec<Known>,
    legacy: bool,
}

/// The keys that a running installation accepts. Clones share them: what one replaces, all see.
#[derive(Clone, Default)]
pub struct ApiKeys(Arc<ArcSwap<Accepted>>);

/// What is kept of an opaque key that is not to be shown again: its SHA-256, in hexadecimal.
#[must_use]
pub fn digest_of(key: &Secret) -> String {
    hex::encode(sha256(key.expose()))
}

impl ApiKeys {
    /// No opaque keys; legacy ones if `legacy` says so.
    #[must_use]
    pub fn new(legacy: bool) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Accepted { known: Vec::new(), legacy })))
    }

    /// Puts the keys of `others` in the place of these.
    pub fn replace(&self, others: &Self) {
        self.0.store(others.0.load_full());
    }

    /// These keys and `key`, which acts as `role`; its claims say it was issued at `iat`. The
    /// empty key is no key.
    #[must_use]
    pub fn with(self, key: &Secret, kind: Kind, role: &RoleName, iat: i64) -> Self {
        if key.is_empty() { self } else { self.with_known(sha256(key.expose()), kind, role, iat) }
    }

    /// As [`ApiKeys::with`], for a key of which there is the [`digest_of`] alone. What is no digest is no key.
    #[must_use]
    pub fn with_digest(self, digest: &str, kind: Kind, role: &RoleName, iat: i64) -> Self {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(digest, &mut bytes) {
            Ok(()) => self.with_known(bytes, kind, role, iat),
            Err(_) => self,
        }
    }

    fn with_known(self, digest: [u8; 32], kind: Kind, role: &RoleName, iat: i64) -> Self {
        let claims = Map::from_iter([
            ("iss".to_owned(), Value::from("supabase")),
            ("iat".to_owned(), Value::from(iat)),
            ("exp".to_owned(), Value::from(iat.saturating_add(LIFETIME))),
        ]);
        let claims = Claims::new(claims, role);
        let identity = Arc::new(Identity { role: role.clone(), claims, proof: Proof::ApiKey });
        let mut accepted = (**self.0.load()).clone();
        accepted.known.push(Known { digest, resolved: Resolved { identity, kind } });
        Self(Arc::new(ArcSwap::from_pointee(accepted)))
    }

    /// The caller behind `key` at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// If the key is unknown, malformed, expired, or a token of another role.
    pub fn resolve(&self, key: &str, verifier: &Verifier, now: i64) -> Result<Resolved, UnknownKey> {
        let accepted = self.0.load();
        if let Some(resolved) = accepted.opaque(key) {
            return Ok(resolved);
        }
        if !accepted.legacy || key.starts_with("sb_") {
            return Err(UnknownKey);
        }
        let verified = verifier.verify(key, now).map_err(|_| UnknownKey)?;
        let identity = verified.identity(None).map_err(|_| UnknownKey)?;
        if !matches!(identity.role.as_str(), "anon" | "service_role") {
            return Err(UnknownKey);
        }
        let identity = Arc::new(Identity { proof: Proof::ApiKey, ..(*identity).clone() });
        Ok(Resolved { identity, kind: Kind::Legacy })
    }
}

impl Accepted {
    /// Looks at every key, so that the time does not tell which one came close.
    fn opaque(&self, key: &str) -> Option<Resolved> {
        let digest = sha256(key);
        let mut found = None;
        for known in &self.known {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(&known.resolved);
            }
        }
        found.cloned()
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = self.0.load();
        f.debug_struct("ApiKeys")
            .field("known", &accepted.known.len())
            .field("legacy", &accepted.legacy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_checksum_computed_elsewhere() {
        // echo -n 'supabase-self-hosted|sb_secret_AAAAAAAAAAAAAAAAAAAAAA' | openssl dgst -sha256 -binary | base64
        assert_eq!(checksum("sb_secret_AAAAAAAAAAAAAAAAAAAAAA"), "7cwZOLm2");
    }

    #[test]
    fn an_opaque_key_ends_with_its_checksum() {
        for key in [publishable().unwrap(), secret().unwrap()] {
            let (signed, sum) = key.expose().split_at(key.expose().len() - 1 - CHECKSUM);
            assert_eq!(sum, format!("_{}", checksum(signed)));
        }
    }
}
