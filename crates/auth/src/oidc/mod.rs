//! ID tokens of other providers: found out about by discovery, verified by their published keys.
//!
//! A token counts if a key of its issuer signed it, if it names that issuer, and if it has not
//! expired. Its audience and nonce are the caller's to compare: only the caller knows whose token it
//! was meant to be. Shared secrets among published keys are ignored, so that no public key can pass
//! for one. Documents and keys are kept for an hour, a bounded number of them; a token that names an
//! unknown key has them read again, at most once a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jwt::{KeySet, Policy, RoleClaim};
use kernel::TokenError;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::oauth::catalog::{APPLE, APPLE_ACCOUNT, GOOGLE};
use crate::outbound::{Outbound, OutboundError, Reach, Request};
use crate::user::{Object, has_nul};

/// How long documents and keys are kept.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// How often keys are read again for tokens that name an unknown one.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// So many issuers are remembered.
const MOST: usize = 100;

/// What an issuer publishes of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Discovery {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) userinfo_endpoint: String,
    pub(crate) jwks_uri: String,
}

/// Why an ID token does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// The issuer did not answer.
    #[error("{0}: {1}")]
    Fetch(&'static str, #[source] OutboundError),
    /// The issuer answered with an error, or with something else.
    #[error("{0} is not what it has to be (status {1})")]
    Answer(&'static str, u16),
    /// The document is another issuer's.
    #[error("the discovery document is of the issuer `{0}`")]
    OtherIssuer(String),
    /// No published key can be used.
    #[error("the issuer publishes no key that can be used")]
    NoKeys,
    /// The token itself.
    #[error("ID token: {0}")]
    Token(TokenError),
    /// A claim that has to be there.
    #[error("ID token: `{0}` is missing or wrong")]
    Claim(&'static str),
}

/// An issuer: its name, where its document is, and which addresses may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuer<'a> {
    pub(crate) name: &'a str,
    /// Elsewhere than below the name.
    pub(crate) document: Option<&'a str>,
    pub(crate) reach: Reach,
}

impl<'a> Issuer<'a> {
    /// An issuer that the operator or this program names.
    pub(crate) fn trusted(name: &'a str) -> Self {
        Self { name, document: None, reach: Reach::Anywhere }
    }

    /// Where its document is.
    pub(crate) fn document(&self) -> String {
        let below = || format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        self.document.map_or_else(below, str::to_owned)
    }

    fn key(&self) -> String {
        format!("{} {}", self.name, self.document())
    }

    /// Apple has two names and one set of keys; Google's tokens leave out the scheme at times.
    fn is_called(&self, name: &str) -> bool {
        let apple = [APPLE, APPLE_ACCOUNT];
        self.name == name
            || (apple.contains(&self.name) && apple.contains(&name))
            || (self.name == GOOGLE && name == "accounts.google.com")
    }
}

type Kept<T> = Mutex<HashMap<String, (DateTime<Utc>, Arc<T>)>>;

/// What issuers published.
#[derive(Default)]
pub(crate) struct Issuers {
    documents: Kept<Discovery>,
    keys: Kept<KeySet>,
}

impl Issuers {
    /// The issuer's document.
    pub(crate) async fn discover(
        &self,
        outbound: &Outbound,
        issuer: Issuer<'_>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Discovery>, OidcError> {
        match recall(&self.documents, &issuer.key(), now) {
            Some((_, known)) => Ok(known),
            None => Ok(self.read(outbound, issuer, now).await?.0),
        }
    }

    /// The issuer's document as it is now, read and whole.
    pub(crate) async fn read(
        &self,
        outbound: &Outbound,
        issuer: Issuer<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Arc<Discovery>, Value), OidcError> {
        const WHAT: &str = "the discovery document";
        let body = fetch(outbound, WHAT, &issuer.document(), issuer.reach).await?;
        let found: Discovery = Discovery::deserialize(&body).map_err(|_| OidcError::Answer(WHAT, 200))?;
        if has_nul(&body) {
            return Err(OidcError::Answer(WHAT, 200));
        }
        if !issuer.is_called(&found.issuer) {
            return Err(OidcError::OtherIssuer(found.issuer));
        }
        Ok((remember(&self.documents, issuer.key(), found, now), body))
    }

    /// The claims of a token that counts.
    pub(crate) async fn verify(
        &self,
        outbound: &Outbound,
        issuer: Issuer<'_>,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Object, OidcError> {
        let document = self.discover(outbound, issuer, now).await?;
        let url = document.jwks_uri.as_str();
        let (read_at, keys) = match recall(&self.keys, url, now) {
            Some(kept) => kept,
            None => (now, self.read_keys(outbound, url, issuer.reach, now).await?),
        };
        let claims = match opened(&keys, token, now) {
            Err(OidcError::Token(TokenError::NoKey)) if now - read_at >= AGAIN => {
                opened(&*self.read_keys(outbound, url, issuer.reach, now).await?, token, now)?
            }
            result => result?,
        };
        let named = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        if !issuer.is_called(named) {
            return Err(OidcError::Claim("iss"));
        }
        Ok(claims)
    }

    async fn read_keys(
        &self,
        outbound: &Outbound,
        url: &str,
        reach: Reach,
        now: DateTime<Utc>,
    ) -> Result<Arc<KeySet>, OidcError> {
        let body = fetch(outbound, "the set of keys", url, reach).await?;
        Ok(remember(&self.keys, url.to_owned(), public_keys(&body)?, now))
    }
}

fn recall<T>(kept: &Kept<T>, key: &str, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Arc<T>)> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(key).filter(|(at, _)| now - *at < KEPT).map(|(at, value)| (*at, Arc::clone(value)))
}

fn remember<T>(kept: &Kept<T>, key: String, value: T, now: DateTime<Utc>) -> Arc<T> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MOST {
        kept.retain(|_, (at, _)| now - *at < KEPT);
    }
    if kept.len() >= MOST {
        kept.clear();
    }
    let value = Arc::new(value);
    kept.insert(key, (now, Arc::clone(&value)));
    value
}

async fn fetch(outbound: &Outbound, what: &'static str, url: &str, reach: Reach) -> Result<Value, OidcError> {
    let request = Request { reach, ..Request::new(Method::GET, url).with("accept", "application/json") };
    let answer = outbound.send(request).await.map_err(|error| OidcError::Fetch(what, error))?;
    let body = answer.is_success().then(|| answer.json().ok()).flatten();
    body.ok_or(OidcError::Answer(what, answer.status))
}

/// Those keys of a published set that can be used; one that cannot does not spoil the others.
fn public_keys(set: &Value) -> Result<KeySet, OidcError> {
    let keys = set.get("keys").and_then(Value::as_array).ok_or(OidcError::NoKeys)?;
    let signs = |key: &&Value| {
        key.get("use").is_none_or(|usage| usage == "sig")
            && matches!(key.get("kty").and_then(Value::as_str), Some("RSA" | "EC" | "OKP"))
    };
    keys.iter()
        .filter(signs)
        .filter_map(|key| KeySet::from_jwks_text(&json!({ "keys": [public_part(key)] }).to_string()).ok())
        .reduce(|keys, others| keys.with_verification_keys(&others))
        .ok_or(OidcError::NoKeys)
}

/// The key without what is nobody's business here: private parts, and for what it may be used.
fn public_part(key: &Value) -> Value {
    const MEMBERS: [&str; 8] = ["kty", "kid", "alg", "n", "e", "crv", "x", "y"];
    MEMBERS.iter().filter_map(|name| key.get(*name).map(|part| ((*name).to_owned(), part.clone()))).collect()
}

/// The claims of a token that one of the keys signed, and that has not expired.
fn opened(keys: &KeySet, token: &str, now: DateTime<Utc>) -> Result<Object, OidcError> {
    // A role in such a token is the provider's affair: no claim of this name is looked at.
    let role_claim: RoleClaim = ".no_role_of_ours".parse().unwrap_or_default();
    let policy = Policy { role_claim, leeway: 0, ..Policy::default() };
    let verified = keys.verify(token, &policy, now.timestamp()).map_err(OidcError::Token)?;
    let claims = verified.fields().clone();
    if !claims.get("exp").is_some_and(Value::is_number) {
        return Err(OidcError::Claim("exp"));
    }
    Ok(claims)
}

/// What a token says of itself before it is verified: only good to find its issuer.
pub(crate) fn claimed_issuer(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let claims: Object = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// The audiences of a token.
pub(crate) fn audiences(claims: &Object) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(aud)) => vec![aud],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// True unless the token says that it came with another access token.
pub(crate) fn came_with(token: &str, claims: &Object, access_token: &str) -> bool {
    let Some(expected) = claims.get("at_hash").and_then(Value::as_str).filter(|hash| !hash.is_empty()) else {
        return true;
    };
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header: Option<Object> = header.and_then(|header| serde_json::from_slice(&header).ok());
    let algorithm = header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str);
    let hash = match algorithm.unwrap_or_default() {
        "EdDSA" => &SHA512,
        alg if alg.ends_with("384") => &SHA384,
        alg if alg.ends_with("512") => &SHA512,
        _ => &SHA256,
    };
    let digest = digest(hash, access_token.as_bytes());
    let (half, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
    bool::from(URL_SAFE_NO_PAD.encode(half).as_bytes().ct_eq(expected.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shared_secrets_and_keys_for_encryption_are_not_used() {
        let oct =
            json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA" }] });
        assert!(matches!(public_keys(&oct), Err(OidcError::NoKeys)));
        let encryption = json!({ "keys": [{ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" }] });
        assert!(matches!(public_keys(&encryption), Err(OidcError::NoKeys)));
        assert!(matches!(public_keys(&json!([])), Err(OidcError::NoKeys)));
    }

    #[test]
    fn the_vector_of_openid_connect() {
        // The example of OpenID Connect Core 1.0, appendix A.3.
        let token = format!("{}.x.y", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
        let Value::Object(claims) = json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }) else { return };
        assert!(came_with(&token, &claims, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"));
        assert!(!came_with(&token, &claims, "another"));
        assert!(came_with(&token, &Object::new(), "another"));
    }

    #[test]
    fn names_of_issuers() {
        let is = |issuer: &str, name: &str| Issuer::trusted(issuer).is_called(name);
        assert!(
            is(APPLE, APPLE_ACCOUNT) && is(GOOGLE, "accounts.google.com") && is("https://a", "https://a")
        );
        assert!(
            !is("https://a", "https://a/") && !is(GOOGLE, APPLE) && !is("https://a", "accounts.google.com")
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::default();
        let now = Utc::now();
        for number in 0..MOST * 3 {
            remember(&kept, number.to_string(), number, now);
        }
        assert!(kept.lock().is_ok_and(|kept| kept.len() <= MOST));
        assert!(recall(&kept, &(MOST * 3 - 1).to_string(), now).is_some());
        assert!(recall(&kept, &(MOST * 3 - 1).to_string(), now + KEPT).is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text in "\\PC{0,200}|[A-Za-z0-9_-]{0,60}([.][A-Za-z0-9_-]{0,90}){0,4}") {
            let keys = KeySet::from_jwks_text(jwt::generate::es256().unwrap().expose()).unwrap();
            prop_assert!(opened(&keys, &text, Utc::now()).is_err());
            let _ = claimed_issuer(&text);
            let _ = came_with(&text, &Object::from_iter([("at_hash".to_owned(), json!("x"))]), &text);
        }

        /// One letter of a good token changed.
        #[test]
        fn a_changed_token_does_not_count(at in 0_usize..400, letter in "[A-Za-z0-9_.-]") {
            let now = Utc::now();
            let keys = KeySet::from_jwks_text(jwt::generate::es256().unwrap().expose()).unwrap();
            let Value::Object(claims) = json!({ "sub": "s", "exp": now.timestamp() + 60 }) else { panic!() };
            let token = keys.sign(&claims).unwrap();
            prop_assert!(opened(&keys, &token, now).is_ok());
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &letter);
            prop_assume!(changed != token);
            prop_assert!(opened(&keys, &changed, now).is_err(), "{}", changed);
        }
    }
}
