//! The life of an installation's signing keys: standby, in use, previously used, revoked.
//!
//! A key on standby is published before it signs, so that whoever verifies tokens by the public
//! document knows it in time. The one in use signs. One that was used goes on verifying, so that
//! nobody is signed out, until it is revoked; what was revoked is forgotten but for its name.

use std::fmt;

use kernel::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{KeyError, KeySet};

/// What a key is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Published, and next to sign.
    Standby,
    /// Signs and verifies.
    InUse,
    /// Signed once, verifies still.
    PreviouslyUsed,
    /// Neither, for ever.
    Revoked,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standby => "standby",
            Self::InUse => "in use",
            Self::PreviouslyUsed => "previously used",
            Self::Revoked => "revoked",
        })
    }
}

/// A signing key and what it is there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingKey {
    state: State,
    /// When it was made, in seconds since 1970.
    created_at: i64,
    /// Since when it is in this state, in seconds since 1970.
    since: i64,
    /// A JWK: private, or of a revoked key its name alone.
    jwk: Secret,
}

impl RingKey {
    /// What it is there for.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub fn created_at(&self) -> i64 {
        self.created_at
    }

    /// Since when it is in its state, in seconds since 1970.
    #[must_use]
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Its name in tokens.
    #[must_use]
    pub fn kid(&self) -> String {
        self.member("kid")
    }

    /// The name of its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> String {
        self.member("alg")
    }

    fn jwk(&self) -> Value {
        serde_json::from_str(self.jwk.expose()).unwrap_or_default()
    }

    fn member(&self, name: &str) -> String {
        self.jwk()[name].as_str().unwrap_or_default().to_owned()
    }

    fn enter(&mut self, state: State, now: i64) {
        self.state = state;
        self.since = now;
    }
}

/// Why a ring stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RingError {
    /// There is a key on standby already, and one is enough.
    #[error("the key {0} is on standby already")]
    StandbyExists(String),
    /// There is none to take over.
    #[error("no key is on standby")]
    NoStandby,
    /// No key has this name.
    #[error("there is no signing key {0}")]
    Unknown(String),
    /// The key that signs cannot be taken away.
    #[error("the key {0} is in use: rotate first")]
    InUse(String),
    /// Tokens that the key signed are good for some seconds still.
    #[error("tokens signed with the key {kid} are good for {seconds} seconds more")]
    StillNeeded {
        /// Its name.
        kid: String,
        /// How long.
        seconds: i64,
    },
}

/// The signing keys of an installation; one of them is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ring(Vec<RingKey>);

impl Ring {
    /// A ring with one key, a private JWK, in use since `now`.
    #[must_use]
    pub fn new(jwk: Secret, now: i64) -> Self {
        Self(vec![RingKey { state: State::InUse, created_at: now, since: now, jwk }])
    }

    /// The keys, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &RingKey> {
        self.0.iter()
    }

    fn in_state(&mut self, state: State) -> Option<&mut RingKey> {
        self.0.iter_mut().find(|key| key.state == state)
    }

    /// Adds a private JWK on standby; returns its name.
    ///
    /// # Errors
    ///
    /// If there is one on standby.
    pub fn add(&mut self, jwk: Secret, now: i64) -> Result<String, RingError> {
        if let Some(standby) = self.in_state(State::Standby) {
            return Err(RingError::StandbyExists(standby.kid()));
        }
        let key = RingKey { state: State::Standby, created_at: now, since: now, jwk };
        let kid = key.kid();
        self.0.push(key);
        Ok(kid)
    }

    /// The key on standby signs from now on; returns its name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn rotate(&mut self, now: i64) -> Result<String, RingError> {
        if self.in_state(State::Standby).is_none() {
            return Err(RingError::NoStandby);
        }
        for key in &mut self.0 {
            match key.state {
                State::InUse => key.enter(State::PreviouslyUsed, now),
                State::Standby => key.enter(State::InUse, now),
                State::PreviouslyUsed | State::Revoked => {}
            }
        }
        self.in_state(State::InUse).map(|key| key.kid()).ok_or(RingError::NoStandby)
    }

    /// Takes a key away for ever, and its private part with it. Tokens that it signed live for up
    /// to `lifetime` seconds: before that is over since its last use, they would be refused.
    ///
    /// # Errors
    ///
    /// If there is no such key, it is in use, or its tokens are good still.
    pub fn revoke(&mut self, kid: &str, lifetime: i64, now: i64) -> Result<(), RingError> {
        let key = self.0.iter_mut().find(|key| key.kid() == kid);
        let key = key.ok_or_else(|| RingError::Unknown(kid.to_owned()))?;
        match key.state {
            State::InUse => return Err(RingError::InUse(kid.to_owned())),
            State::PreviouslyUsed => {
                let seconds = key.since.saturating_add(lifetime).saturating_sub(now);
                if seconds > 0 {
                    return Err(RingError::StillNeeded { kid: kid.to_owned(), seconds });
                }
            }
            State::Standby | State::Revoked => {}
        }
        key.jwk = Secret::new(json!({ "kid": kid, "alg": key.algorithm() }).to_string());
        key.enter(State::Revoked, now);
        Ok(())
    }

    /// The keys in force: the one in use signs, all but the revoked verify and are published.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used.
    pub fn key_set(&self) -> Result<KeySet, KeyError> {
        let in_force = self.0.iter().filter(|key| key.state != State::Revoked);
        let keys: Vec<Value> = in_force
            .map(|key| {
                let mut jwk = key.jwk();
                let signs = key.state == State::InUse;
                jwk["key_ops"] = if signs { json!(["sign", "verify"]) } else { json!(["verify"]) };
                jwk
            })
            .collect();
        KeySet::from_jwks_text(&Value::Array(keys).to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kernel::TokenError;

    use super::*;
    use crate::{Algorithm, LiveKeys, Policy, Verifier, generate};

    const NOW: i64 = 1_800_000_000;
    const HOUR: i64 = 3600;

    fn fresh(algorithm: Algorithm) -> Secret {
        generate::signing_key(algorithm).unwrap().unwrap()
    }

    fn token(keys: &KeySet) -> String {
        let claims = json!({ "role": "authenticated", "exp": NOW + 9 * HOUR });
        keys.sign(claims.as_object().unwrap()).unwrap()
    }

    fn verifies(ring: &Ring, token: &str) -> bool {
        ring.key_set().unwrap().verify(token, &Policy::default(), NOW).is_ok()
    }

    fn published(ring: &Ring) -> Vec<Value> {
        let jwks = ring.key_set().unwrap().jwks();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
    }

    #[test]
    fn a_key_from_standby_to_revoked() {
        for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA, Algorithm::HS256] {
            let mut ring = Ring::new(fresh(Algorithm::ES256), NOW);
            let first = ring.keys().next().unwrap().kid();
            let old = token(&ring.key_set().unwrap());
            let second = ring.add(fresh(algorithm), NOW).unwrap();
            assert_eq!(ring.add(fresh(algorithm), NOW), Err(RingError::StandbyExists(second.clone())));
            // Not used yet, and known already; a shared secret never is.
            let mut expected = vec![json!(first), json!(second)];
            expected.truncate(if algorithm == Algorithm::HS256 { 1 } else { 2 });
            assert_eq!(published(&ring), expected);
            assert_eq!(ring.key_set().unwrap().signing_algorithm(), Some(Algorithm::ES256));

            assert_eq!(ring.rotate(NOW + 5), Ok(second.clone()));
            assert_eq!(ring.rotate(NOW + 5), Err(RingError::NoStandby));
            assert_eq!(ring.key_set().unwrap().signing_algorithm(), Some(algorithm));
            let new = token(&ring.key_set().unwrap());
            assert!(verifies(&ring, &old) && verifies(&ring, &new), "nobody is signed out");

            assert_eq!(ring.revoke(&second, HOUR, NOW + 6), Err(RingError::InUse(second.clone())));
            let still = RingError::StillNeeded { kid: first.clone(), seconds: HOUR - 1 };
            assert_eq!(ring.revoke(&first, HOUR, NOW + 6), Err(still));
            assert_eq!(ring.revoke(&first, HOUR, NOW + 5 + HOUR), Ok(()));
            assert!(!verifies(&ring, &old) && verifies(&ring, &new));
            assert!(!published(&ring).contains(&json!(first)));
            let gone = ring.keys().next().unwrap();
            assert_eq!(
                (gone.state(), gone.kid(), gone.algorithm()),
                (State::Revoked, first, "ES256".to_owned())
            );
            assert!(gone.jwk().get("d").is_none(), "its private part is gone");
            assert_eq!(ring.revoke("x", HOUR, NOW), Err(RingError::Unknown("x".to_owned())));
        }
    }

    #[test]
    fn a_ring_is_kept_as_text() {
        let mut ring = Ring::new(fresh(Algorithm::ES256), NOW);
        ring.add(fresh(Algorithm::RS256), NOW + 1).unwrap();
        let text = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<Ring>(&text).unwrap(), ring);
        assert!(!format!("{ring:?}").contains("\"d\""));
    }

    /// Who holds the public document may try to sign with what is in it, or under another's name.
    #[test]
    fn what_is_published_does_not_sign() {
        let mut ring = Ring::new(fresh(Algorithm::RS256), NOW);
        let revoked = ring.keys().next().unwrap().kid();
        ring.add(fresh(Algorithm::ES256), NOW).unwrap();
        ring.rotate(NOW).unwrap();
        ring.revoke(&revoked, 0, NOW).unwrap();
        let keys = ring.key_set().unwrap().with_secret(b"a secret of at least thirty-two bytes");
        let public = keys.jwks()["keys"][0].clone();
        let refused = |token: &str| {
            let result = keys.verify(token, &Policy::default(), NOW).map(|_| ());
            assert!(matches!(result, Err(TokenError::NoKey)), "{result:?}");
        };
        let kids = [json!(null), json!("unknown"), json!(revoked), public["kid"].clone()];
        let guesses = [public.to_string(), public["x"].as_str().unwrap().to_owned(), String::new()];
        for kid in &kids {
            for guess in &guesses {
                let mut shared = json!({ "kty": "oct", "alg": "HS256", "key_ops": ["sign"] });
                shared["k"] = json!(crate::token::base64url::encode(format!("{guess} ").as_bytes()));
                if !kid.is_null() {
                    shared["kid"] = kid.clone();
                }
                refused(&token(&KeySet::from_jwks_text(&shared.to_string()).unwrap()));
            }
            // Another's key of the right kind, under the names of ours.
            let mut foreign: Value = serde_json::from_str(fresh(Algorithm::ES256).expose()).unwrap();
            foreign["kid"] = kid.clone();
            refused(&token(&KeySet::from_jwks_text(&foreign.to_string()).unwrap()));
        }
    }

    #[test]
    fn a_verifier_forgets_what_keys_of_before_verified() {
        let mut ring = Ring::new(fresh(Algorithm::ES256), NOW);
        let live = LiveKeys::from(ring.key_set().unwrap());
        let verifier = Verifier::new(live.clone(), Policy::default(), 10);
        let first = ring.keys().next().unwrap().kid();
        let old = token(&live.current());
        assert!(verifier.verify(&old, NOW).is_ok());
        ring.add(fresh(Algorithm::ES256), NOW).unwrap();
        ring.rotate(NOW).unwrap();
        live.replace(ring.key_set().unwrap());
        assert!(verifier.verify(&old, NOW).is_ok());
        ring.revoke(&first, 0, NOW).unwrap();
        live.replace(ring.key_set().unwrap());
        assert_eq!(verifier.verify(&old, NOW).map(|_| ()), Err(TokenError::NoKey));
        assert!(verifier.verify(&token(&live.current()), NOW).is_ok());
    }
}
