//! The keys of an installation.

use std::fmt;
use std::sync::Arc;

use kernel::TokenError;
use serde_json::{Map, Value, json};

use crate::jwk::Jwk;
use crate::key::Key;
use crate::token::{Token, base64url};
use crate::{Algorithm, KeyError, Policy, SignError, Verified};

/// PostgREST's minimum for a plain secret.
const MIN_SECRET: usize = 32;

/// Keys that verify, and at most one that signs. Immutable; a clone shares the keys.
#[derive(Clone, Default)]
pub struct KeySet(Arc<Keys>);

#[derive(Clone, Default)]
struct Keys {
    all: Vec<Arc<Key>>,
    signer: Option<Arc<Key>>,
    /// The plain secret: verifies HS256 tokens of any `kid` that no other key claims.
    secret: Option<Arc<Key>>,
}

impl KeySet {
    /// Keys from a plain secret: its UTF-8 bytes sign and verify HS256.
    ///
    /// The length is not checked here; the settings do, because the minimum depends on the mode.
    #[must_use]
    pub fn from_secret(secret: &str) -> Self {
        Self::default().with_secret(secret.as_bytes())
    }

    /// Keys from a JWK, a JWK set (`{"keys":[…]}`) or a list of JWKs (`GOTRUE_JWT_KEYS`), with
    /// or without private parts. The key with `sign` in its `key_ops` signs; all verify. Keys of
    /// kinds that we do not know are left out.
    ///
    /// # Errors
    ///
    /// If the text is none of these, a known key is malformed, two keys sign, or nothing is left.
    pub fn from_jwks_text(json: &str) -> Result<Self, KeyError> {
        let (keys, signers) = read(json)?;
        if signers > 1 {
            return Err(KeyError::Signers(signers));
        }
        Ok(Self(Arc::new(keys)))
    }

    /// Keys as PostgREST's `jwt-secret` means them: a JWK set, a JWK, or else a plain secret. They
    /// verify; of JWKs none signs.
    ///
    /// # Errors
    ///
    /// If the text is no key and too short for a secret, or a key that cannot be used.
    pub fn from_jwt_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(secret).unwrap_or_default();
        match read(text) {
            Ok((keys, _)) => Ok(Self(Arc::new(Keys { signer: None, ..keys }))),
            Err(KeyError::NotJwk) if secret.len() < MIN_SECRET => Err(KeyError::TooShort),
            Err(KeyError::NotJwk) => Ok(Self::default().with_secret(secret)),
            Err(error) => Err(error),
        }
    }

    /// These keys and a plain secret that verifies HS256 tokens; it signs only if nothing else does.
    #[must_use]
    pub fn with_secret(self, secret: &[u8]) -> Self {
        let keys = Keys { secret: Some(Arc::new(Key::secret(secret))), ..(*self.0).clone() };
        Self(Arc::new(keys))
    }

    /// These keys and those of `others`, which verify but do not sign.
    #[must_use]
    pub fn with_verification_keys(self, others: &Self) -> Self {
        let mut keys = (*self.0).clone();
        keys.all.extend(others.0.all.iter().cloned());
        keys.secret = keys.secret.or_else(|| others.0.secret.clone());
        Self(Arc::new(keys))
    }

    /// True if there is no key at all, so that no token can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty() && self.0.secret.is_none()
    }

    /// Each key's name, the algorithm it is for, and whether it is the one that signs; without the
    /// plain secret.
    pub fn names(&self) -> impl Iterator<Item = (Option<&str>, Algorithm, bool)> {
        self.0.all.iter().filter_map(|key| {
            let signs = self.0.signer.as_ref().is_some_and(|signer| Arc::ptr_eq(signer, key));
            Some((key.kid.as_deref(), *key.algorithms.first()?, signs))
        })
    }

    /// True if both are the very same keys: clones of one another.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The algorithm that [`KeySet::sign`] uses.
    #[must_use]
    pub fn signing_algorithm(&self) -> Option<Algorithm> {
        self.signer().and_then(Key::signing_algorithm)
    }

    fn signer(&self) -> Option<&Key> {
        self.0.signer.as_deref().or(self.0.secret.as_deref())
    }

    /// A compact token with these claims.
    ///
    /// # Errors
    ///
    /// If no key signs.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, SignError> {
        let key = self.signer().ok_or(SignError::NoKey)?;
        let algorithm = key.signing_algorithm().ok_or(SignError::NoKey)?;
        let mut header = json!({ "alg": algorithm.name(), "typ": "JWT" });
        if let Some(kid) = &key.kid {
            header["kid"] = json!(kid);
        }
        let claims = serde_json::to_vec(claims).map_err(|_| SignError::Failed)?;
        let message =
            format!("{}.{}", base64url::encode(header.to_string().as_bytes()), base64url::encode(&claims));
        let signature = key.sign(&message)?;
        Ok(format!("{message}.{signature}"))
    }

    /// The public document: `{"keys":[…]}` with the public parts of the asymmetric keys. A shared
    /// secret never appears.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.0.all.iter().filter_map(|key| key.public.as_ref()).collect::<Vec<_>>() })
    }

    /// Verifies `token` at `now` (seconds since 1970). [`crate::Verifier`] does the same with a cache.
    ///
    /// # Errors
    ///
    /// Why it is refused, in PostgREST's order: shape, signature, claims, time, audience.
    pub fn verify(&self, token: &str, policy: &Policy, now: i64) -> Result<Arc<Verified>, TokenError> {
        let verified = self.open(token, policy)?;
        policy.check(verified.fields(), now)?;
        Ok(Arc::new(verified))
    }

    /// What does not depend on the time of day: signature and shape.
    pub(crate) fn open(&self, token: &str, policy: &Policy) -> Result<Verified, TokenError> {
        if self.is_empty() {
            return Err(TokenError::NoSecret);
        }
        let token = Token::parse(token)?;
        let mut candidates = self.candidates(token.kid.as_deref(), policy);
        if !candidates.any(|key| key.verifies(token.algorithm, token.message, token.signature)) {
            return Err(TokenError::NoKey);
        }
        Verified::from_payload(token.payload, &policy.role_claim)
    }

    /// The keys that may have signed a token with this `kid`: those called so, else the plain
    /// secret; without a `kid` all of them.
    fn candidates<'a>(&'a self, kid: Option<&'a str>, policy: &Policy) -> impl Iterator<Item = &'a Key> {
        let named = move |key: &&Arc<Key>| kid.is_none() || key.kid.as_deref() == kid;
        let secret_fits = match kid {
            None => true,
            Some(_) => !policy.strict_kid && !self.0.all.iter().any(|key| named(&key)),
        };
        let secret = self.0.secret.as_deref().filter(|_| secret_fits);
        self.0.all.iter().filter(named).map(Arc::as_ref).chain(secret)
    }
}

/// The keys in a JSON text, and how many of them want to sign.
fn read(json: &str) -> Result<(Keys, usize), KeyError> {
    let mut document: Value = serde_json::from_str(json).map_err(|_| KeyError::NotJwk)?;
    let list = match &mut document {
        Value::Object(set) if set.get("keys").is_some_and(Value::is_array) => set.remove("keys"),
        Value::Object(_) => Some(Value::Array(vec![document])),
        _ => Some(document),
    };
    let jwks: Vec<Jwk> = list.and_then(|list| serde_json::from_value(list).ok()).ok_or(KeyError::NotJwk)?;
    let mut keys = Keys::default();
    let mut signers = 0;
    for jwk in jwks {
        let Some(key) = jwk.load()?.map(Arc::new) else { continue };
        if jwk.signs() {
            if key.encoding.is_none() {
                return Err(KeyError::NotPrivate(jwk.label()));
            }
            signers += 1;
            keys.signer = Some(Arc::clone(&key));
        }
        keys.all.push(key);
    }
    if keys.all.is_empty() { Err(KeyError::Empty) } else { Ok((keys, signers)) }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.0.all.iter().map(|key| key.kid.as_deref().unwrap_or("-")).collect();
        f.debug_struct("KeySet").field("kids", &kids).field("secret", &self.0.secret.is_some()).finish()
    }
}
