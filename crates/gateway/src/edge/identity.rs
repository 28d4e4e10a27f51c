//! From headers to one [`Credential`].
//!
//! Two things come with a request: the API key (`apikey`, header before query) and the bearer
//! token. The key opens the door; the token says who it is. Without a token of its own the caller
//! is the key's role. An opaque key is no token: as a bearer it must be the very key that came in
//! `apikey`, or the only key there is.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, USER_AGENT};
use jwt::api_key::{Kind, Resolved};
use kernel::{Credential, Identity, TokenError};

use super::Edge;
use super::refusal::Refusal;
use super::rules::Rules;
use crate::routes::{KeyRule, Route, Service};

const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// The bearer token, if the header carries one. `Some("")` is a bearer without a token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = match value.split_once(' ') {
        Some((scheme, token)) => (scheme, token.trim()),
        None => (value, ""),
    };
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The token of a header without a scheme, which storage accepts upstream.
fn bare_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    (value.split('.').count() == 3 && !value.contains(' ')).then_some(value)
}

/// The caller on a server that knows no API keys.
pub(super) fn bare(edge: &Edge, rules: &Rules, headers: &HeaderMap) -> Credential {
    match bearer(headers) {
        None => anonymous(rules),
        Some(token) => verified(edge, rules, token),
    }
}

fn anonymous(rules: &Rules) -> Credential {
    match &rules.anonymous {
        Some(role) => Credential::Verified(Arc::new(Identity::anonymous(role.clone()))),
        None => Credential::Refused(TokenError::NoRole),
    }
}

fn verified(edge: &Edge, rules: &Rules, token: &str) -> Credential {
    let identity = edge
        .verifier
        .verify(token, edge.clock.unix())
        .and_then(|verified| verified.identity(rules.anonymous.as_ref()));
    match identity {
        Ok(identity) => Credential::Verified(identity),
        Err(error) => Credential::Refused(error),
    }
}

/// The caller of a request for `route`; `query_key` is the `apikey` of the query string.
pub(super) fn resolve(
    edge: &Edge,
    rules: &Rules,
    route: &Route,
    headers: &HeaderMap,
    query_key: Option<&str>,
) -> Result<Credential, Refusal> {
    let header_key = headers.get(API_KEY).map(|key| key.to_str().map_err(|_| Refusal::BadKey)).transpose()?;
    let key = header_key.or(query_key).filter(|key| !key.is_empty());
    let bearer = match route.service {
        Service::Storage => bearer(headers).or_else(|| bare_token(headers)),
        _ => bearer(headers),
    };
    let bearer = bearer.filter(|token| !token.is_empty());
    let opaque = bearer.filter(|token| token.starts_with("sb_"));
    if let (Some(key), Some(opaque)) = (key, opaque)
        && key != opaque
    {
        return Err(Refusal::BadKey);
    }
    let rule = match route.key {
        KeyRule::Developer if edge.local => KeyRule::Open,
        KeyRule::Developer => KeyRule::Service,
        rule => rule,
    };
    let required = rules.config.require_api_key && rule != KeyRule::Open;
    // A key that nobody asked for is not worth an error, but an opaque bearer is a key too.
    let resolved = match key.or(opaque) {
        Some(key) => match edge.keys.resolve(key, &edge.verifier, edge.clock.unix()) {
            Ok(resolved) => Some(resolved),
            Err(_) if required || opaque.is_some() => return Err(Refusal::BadKey),
            Err(_) => None,
        },
        None => None,
    };
    if let Some(resolved) = &resolved
        && resolved.kind == Kind::Secret
        && rules.config.refuse_secret_keys_in_browsers
        && is_browser(headers)
    {
        return Err(Refusal::SecretInBrowser);
    }
    if required && (resolved.is_none() || key.is_none()) {
        return Err(Refusal::NoKey);
    }
    let credential = match bearer.filter(|_| opaque.is_none()) {
        Some(token) => match verified(edge, rules, token) {
            Credential::Verified(identity) if identity.claims.is_id_token() => {
                Credential::Refused(TokenError::Audience)
            }
            credential => credential,
        },
        None => match &resolved {
            Some(resolved) => Credential::Verified(Arc::clone(&resolved.identity)),
            None => anonymous(rules),
        },
    };
    let shown_to_everyone = rules.config.openapi_for_everyone && route.service == Service::Rest;
    if rule == KeyRule::Service && !shown_to_everyone {
        let by_key = resolved.as_ref().is_some_and(is_service);
        let by_token =
            matches!(&credential, Credential::Verified(identity) if identity.role.as_str() == "service_role");
        if !(by_key || by_token) {
            return Err(Refusal::NotService);
        }
    }
    Ok(credential)
}

fn is_service(resolved: &Resolved) -> bool {
    resolved.identity.role.as_str() == "service_role"
}

/// Hosted Supabase's rule: a browser that holds a secret key has leaked it.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}
