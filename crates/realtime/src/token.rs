//! Who opens a socket or joins a channel: API keys and tokens, verified here because their refusals have words
//! of their own.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Clock, Identity, TokenError};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::Keys;

/// A caller whose token proved true.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Role and claims.
    pub(crate) identity: Arc<Identity>,
    /// When the token ends, in seconds since 1970.
    pub(crate) expires_at: i64,
    /// The token itself, to know it again.
    pub(crate) token: Arc<str>,
}

/// Why a token was refused, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("Token has expired {seconds} seconds ago")]
    Expired { seconds: i64 },
    #[error("Fields `role` and `exp` are required in JWT")]
    Incomplete,
    #[error("The token provided is not a valid JWT")]
    Malformed,
    #[error("Failed to validate JWT signature")]
    Signature,
    #[error("Failed to generate JWT signer, check your JWT secret or JWKS configuration")]
    Signer,
}

impl Refused {
    /// The code that a join's refusal begins with.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } | Self::Incomplete => "InvalidJWTToken",
            Self::Malformed => "MalformedJWT",
            Self::Signature => "JwtSignatureError",
            Self::Signer => "JwtSignerError",
        }
    }
}

/// Opaque keys, which stand for a role and are no tokens.
pub(crate) fn is_opaque(token: &str) -> bool {
    token.starts_with("sb_")
}

/// What verifies.
pub(crate) struct Tokens {
    keys: Keys,
    clock: Clock,
}

impl Tokens {
    pub(crate) fn new(keys: Keys, clock: Clock) -> Self {
        Self { keys, clock }
    }

    /// The caller behind what opens a socket or a request: an API key, or a token of a user.
    pub(crate) fn key(&self, key: &str) -> Result<Caller, Refused> {
        let key = key.trim();
        if let Ok(resolved) = self.keys.keys.resolve(key, &self.keys.verifier, self.clock.unix()) {
            let expires_at = resolved.identity.claims.get("exp").and_then(Value::as_i64);
            let expires_at = expires_at.ok_or(Refused::Incomplete)?;
            self.unexpired(expires_at)?;
            return Ok(Caller { identity: resolved.identity, expires_at, token: key.into() });
        }
        if is_opaque(key) {
            return Err(Refused::Malformed);
        }
        let caller = self.token(key)?;
        // A key of the installation that is not accepted as one is no token of a user either.
        match caller.identity.role.as_str() {
            "anon" | "service_role" => Err(Refused::Signature),
            _ => Ok(caller),
        }
    }

    /// The caller behind a token.
    pub(crate) fn token(&self, token: &str) -> Result<Caller, Refused> {
        let token = token.trim();
        let verified = self.keys.verifier.verify(token, self.clock.unix()).map_err(|error| match error {
            TokenError::Expired => Refused::Expired { seconds: self.age(token) },
            TokenError::NoKey => Refused::Signature,
            TokenError::NoSecret | TokenError::Algorithm(_) => Refused::Signer,
            TokenError::NoRole => Refused::Incomplete,
            _ => Refused::Malformed,
        })?;
        let (Some(expires_at), Ok(identity)) = (verified.expires_at(), verified.identity(None)) else {
            return Err(Refused::Incomplete);
        };
        // It tells an application who somebody is, and opens nothing.
        if identity.claims.is_id_token() {
            return Err(Refused::Malformed);
        }
        self.unexpired(expires_at)?;
        Ok(Caller { identity, expires_at, token: token.into() })
    }

    /// Checks the time again.
    pub(crate) fn unexpired(&self, expires_at: i64) -> Result<(), Refused> {
        match self.clock.unix().saturating_sub(expires_at) {
            ..0 => Ok(()),
            seconds => Err(Refused::Expired { seconds }),
        }
    }

    /// How long ago a token ended whose signature proved true.
    fn age(&self, token: &str) -> i64 {
        let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims: Option<Map<String, Value>> =
            payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        #[allow(clippy::cast_possible_truncation)]
        let ended = claims.and_then(|claims| claims.get("exp").and_then(Value::as_f64)).map(|exp| exp as i64);
        ended.map_or(0, |ended| self.clock.unix().saturating_sub(ended))
    }
}
