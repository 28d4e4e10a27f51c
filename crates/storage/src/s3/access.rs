//! From a signed request to a caller.
//!
//! Two kinds of credentials ([`super::keys`]): a pair of keys, and a session token, which is a user's JWT: then
//! the access key is the tenant's name, the secret an API key for browsers, and the user's policies decide.
//!
//! A signature covers the path and the host as the client saw them. Proxies change both, so several
//! spellings are tried; which of them the client meant, its signature says.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, DATE, HOST, HeaderMap};
use kernel::{Identity, RoleName};
use percent_encoding::percent_decode_str;

use super::canonical::{self, Request};
use super::chunked::Chain;
use super::error::Error;
use super::keys::{self, Bounds, Signer};
use super::query::Query;
use super::signature::{ALGORITHM, Claim, SigningKey};
use crate::error::token_text;
use crate::service::Service;

/// What a request's body is said to be.
pub(crate) enum Payload {
    /// Anything.
    Unsigned,
    /// Bytes of this digest.
    Digest(String),
    /// Chunks, signed if there is a chain.
    Chunks { chain: Option<Chain>, trailers: bool },
}

/// A request that somebody signed.
pub(crate) struct Access {
    pub(crate) identity: Arc<Identity>,
    /// The user's JWT; empty if the service signed.
    pub(crate) token: String,
    pub(crate) bounds: Bounds,
    pub(crate) payload: Payload,
}

impl Access {
    /// Of nobody in particular, who may read one bucket.
    ///
    /// # Errors
    ///
    /// None: there is a service role.
    pub(crate) fn unsigned(bucket: &str) -> Result<Self, Error> {
        Ok(Self {
            identity: keys::identity(None, None)?,
            token: String::new(),
            bounds: Bounds::reading(bucket),
            payload: Payload::Unsigned,
        })
    }
}

/// Who calls, with which JWT, within which bounds.
type Caller = (Arc<Identity>, String, Bounds);

/// Headers that proxies add, and those that are part of the signature in another way.
const NOT_SIGNED: [&str; 4] = ["x-amz-cf-id", "x-amz-user-agent", "x-amz-date", "x-amz-content-sha256"];

/// Spellings that are tried at most.
const SPELLINGS: usize = 48;

/// Who signed a request.
///
/// # Errors
///
/// Nobody that we know, or not this request, or not now.
pub(crate) fn check(service: &Service, request: &HttpRequest, query: &Query) -> Result<Access, Error> {
    let headers = request.headers();
    let authorization = text(headers, AUTHORIZATION.as_str()).filter(|value| value.starts_with(ALGORITHM));
    let claim = match authorization {
        Some(value) => Claim::of_header(value, text(headers, "x-amz-date"), text(headers, DATE.as_str()))?,
        None => match Claim::of_query(query)? {
            Some(claim) => claim,
            None if has_old_signature(headers, query) => {
                return Err(Error::InvalidRequest(
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.".into(),
                ));
            }
            None => return Err(Error::MissingSignature),
        },
    };
    claim.is_timely(service.clock.unix())?;
    let is_presigned = claim.expires.is_some();
    in_region(service, &claim)?;
    let covered = |name: &str| claim.signed_headers.iter().any(|signed| signed == name);
    let is_open = |name: &str| name.starts_with("x-amz-") && !covered(name) && !NOT_SIGNED.contains(&name);
    if !covered("host") || headers.keys().any(|name| is_open(name.as_str())) {
        return Err(Error::AccessDenied(
            "There were headers present in the request which were not signed".into(),
        ));
    }
    let told = query.get("X-Amz-Content-Sha256").filter(|_| is_presigned);
    let payload = match told.or_else(|| text(headers, "x-amz-content-sha256")) {
        Some(payload) => payload.to_owned(),
        None if is_presigned => UNSIGNED.to_owned(),
        None => {
            return Err(Error::InvalidRequest(
                "Missing required header for this request: x-amz-content-sha256".into(),
            ));
        }
    };
    let token = match is_presigned {
        true => query.get("X-Amz-Security-Token").or_else(|| text(headers, "x-amz-security-token")),
        false => text(headers, "x-amz-security-token"),
    };
    let known = service.s3.credentials.now();
    let signer =
        known.signer(&claim.access_key, token.is_some(), &service.config().tenant, service.clock.unix())?;
    let spellings = spellings(request, &claim, &service.public_url);
    let query = canonical::query(request.query_string());
    let key =
        signer.secrets().iter().map(|secret| SigningKey::new(secret.expose(), &claim.scope)).find(|key| {
            let requests = spellings.iter().map(|(path, headers)| Request {
                method: request.method().as_str(),
                path,
                query: &query,
                headers,
                payload: &payload,
            });
            claim.is_signed_by(key, requests)
        });
    let key = key.ok_or(Error::SignatureDoesNotMatch)?;
    let (identity, token, bounds) = caller(service, &signer, token)?;
    Ok(Access { identity, token, bounds, payload: self::payload(&payload, key, claim)? })
}

/// Who signed the policy of a form.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn of_form<'a>(service: &Service, get: impl Fn(&str) -> Option<&'a str>) -> Result<Access, Error> {
    let claim = Claim::of_form(&get)?;
    claim.is_timely(service.clock.unix())?;
    in_region(service, &claim)?;
    let token = get("x-amz-security-token");
    let policy = get("policy").unwrap_or_default();
    let known = service.s3.credentials.now();
    let signer =
        known.signer(&claim.access_key, token.is_some(), &service.config().tenant, service.clock.unix())?;
    let is_good = signer
        .secrets()
        .iter()
        .any(|secret| SigningKey::new(secret.expose(), &claim.scope).made(policy, &claim.signature));
    if !is_good {
        return Err(Error::SignatureDoesNotMatch);
    }
    let (identity, token, bounds) = caller(service, &signer, token)?;
    Ok(Access { identity, token, bounds, payload: Payload::Unsigned })
}

fn in_region(service: &Service, claim: &Claim) -> Result<(), Error> {
    let (given, expected) = (&claim.scope.region, &service.s3.region);
    if service.config().s3.enforce_region && given != expected {
        return Err(Error::WrongRegion { given: given.clone(), expected: expected.clone() });
    }
    Ok(())
}

fn caller(service: &Service, signer: &Signer<'_>, token: Option<&str>) -> Result<Caller, Error> {
    match (signer, token) {
        (Signer::Pair(pair), _) => Ok((pair.identity()?, String::new(), pair.bounds())),
        (Signer::Session(_), Some(token)) => Ok((user(service, token)?, token.to_owned(), Bounds::default())),
        (Signer::Session(_), None) => Err(Error::InvalidAccessKeyId),
    }
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

fn payload(text: &str, key: SigningKey, claim: Claim) -> Result<Payload, Error> {
    let chain = || Chain { key, moment: claim.moment, scope: claim.scope, last: claim.signature };
    Ok(match text {
        UNSIGNED => Payload::Unsigned,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Chunks { chain: Some(chain()), trailers: false },
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
            Payload::Chunks { chain: Some(chain()), trailers: true }
        }
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::Chunks { chain: None, trailers: true },
        digest if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Payload::Digest(digest.to_ascii_lowercase())
        }
        _ => {
            return Err(Error::InvalidArgument(
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a valid sha256 value.".into(),
            ));
        }
    })
}

fn user(service: &Service, token: &str) -> Result<Arc<Identity>, Error> {
    let anonymous = RoleName::parse("anon");
    let verified = service.s3.verifier.verify(token, service.clock.unix());
    let identity = verified.and_then(|verified| verified.identity(anonymous.as_ref()));
    match identity {
        Ok(identity) if !identity.claims.is_id_token() => Ok(identity),
        Ok(_) => Err(Error::AccessDenied("The session token is not an access token".into())),
        Err(error) => Err(Error::AccessDenied(token_text(&error).into())),
    }
}

/// Version 2 of the signatures is gone for good.
fn has_old_signature(headers: &HeaderMap, query: &Query) -> bool {
    text(headers, AUTHORIZATION.as_str()).is_some_and(|value| value.starts_with("AWS "))
        || query.has("AWSAccessKeyId")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

type Spelling = (String, Vec<(String, String)>);

/// Path and signed headers of a request, as the client may have seen them.
fn spellings(request: &HttpRequest, claim: &Claim, public_url: &str) -> Vec<Spelling> {
    let headers = request.headers();
    let plain: Vec<(String, String)> = claim
        .signed_headers
        .iter()
        .map(|name| {
            let values = headers.get_all(name.as_str()).map(|value| value.as_bytes());
            (name.clone(), canonical::header(values))
        })
        .collect();
    let hosts = hosts(headers, public_url);
    let encodings = match claim.signed_headers.iter().any(|name| name == "accept-encoding") {
        true => encodings(headers),
        false => vec![String::new()],
    };
    let mut all = Vec::new();
    for path in paths(request) {
        for host in &hosts {
            for encoding in &encodings {
                let mut headers = plain.clone();
                for (name, value) in &mut headers {
                    match name.as_str() {
                        "host" => host.clone_into(value),
                        "accept-encoding" => encoding.clone_into(value),
                        _ => {}
                    }
                }
                all.push((path.clone(), headers));
            }
        }
    }
    all.truncate(SPELLINGS);
    all
}

fn encodings(headers: &HeaderMap) -> Vec<String> {
    let told =
        ["accept-encoding", "x-original-accept-encoding"].into_iter().filter_map(|name| text(headers, name));
    let mut all: Vec<String> =
        told.map(|value| canonical::header(std::iter::once(value.as_bytes()))).collect();
    all.extend(["identity".to_owned(), "gzip".to_owned(), String::new()]);
    distinct(all)
}

fn hosts(headers: &HeaderMap, public_url: &str) -> Vec<String> {
    let mut all = Vec::new();
    let forwarded =
        text(headers, "x-forwarded-host").map(|value| value.split(',').next().unwrap_or(value).trim());
    let public = public_url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    for host in [text(headers, HOST.as_str()), forwarded, public].into_iter().flatten() {
        all.push(host.to_owned());
        let bare = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        match (bare, text(headers, "x-forwarded-port")) {
            (Some((bare, "80" | "443")), _) => all.push(bare.to_owned()),
            (None, Some(port)) => all.push(format!("{host}:{port}")),
            _ => {}
        }
    }
    distinct(all)
}

const MOUNT: &str = "/storage/v1";

fn paths(request: &HttpRequest) -> Vec<String> {
    let raw = request.uri().path();
    let path = canonical::path(raw);
    let mut all = vec![path.clone(), raw.to_owned()];
    // A proxy may have added our prefix, or taken one of its own away.
    let below = path.strip_prefix(MOUNT).unwrap_or(&path);
    all.push(below.to_owned());
    if let Some(prefix) = text(request.headers(), "x-forwarded-prefix").and_then(prefix) {
        all.push(format!("{prefix}{path}"));
        all.push(format!("{prefix}{below}"));
    }
    distinct(all)
}

/// A prefix that a proxy tells of. Nobody signed this header: if it could name what lies below our own
/// path, one object's signature would be good for another's.
fn prefix(told: &str) -> Option<String> {
    let told = told.trim().trim_end_matches('/');
    let decoded: Vec<u8> = percent_decode_str(told).collect();
    let names_us = decoded.split(|byte| *byte == b'/').any(|segment| segment.eq_ignore_ascii_case(b"s3"));
    (told.starts_with('/') && !names_us).then(|| canonical::path(told))
}

fn distinct(all: Vec<String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for item in all {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_prefix_never_names_what_lies_below_ours() {
        let check =
            |told: &str, expected: Option<&str>| assert_eq!(prefix(told).as_deref(), expected, "{told}");
        check("/api", Some("/api"));
        check("/api/", Some("/api"));
        check("/a b", Some("/a%20b"));
        check("api", None);
        check("/storage/v1/s3/bucket", None);
        check("/storage/v1/%73%33/bucket", None);
        check("/S3", None);
    }

    #[test]
    fn paths_as_clients_may_have_seen_them() {
        let request = TestRequest::with_uri("/storage/v1/s3/b/a!b")
            .insert_header(("x-forwarded-prefix", "/api"))
            .to_http_request();
        assert_eq!(
            paths(&request),
            [
                "/storage/v1/s3/b/a%21b",
                "/storage/v1/s3/b/a!b",
                "/s3/b/a%21b",
                "/api/storage/v1/s3/b/a%21b",
                "/api/s3/b/a%21b"
            ]
        );
    }

    #[test]
    fn hosts_as_clients_may_have_seen_them() {
        let check = |pairs: &[(&'static str, &str)], expected: &[&str]| {
            let mut request = TestRequest::default();
            for pair in pairs {
                request = request.insert_header(*pair);
            }
            assert_eq!(hosts(request.to_http_request().headers(), ""), expected);
        };
        check(&[("host", "a:8000")], &["a:8000"]);
        check(&[("host", "a:443")], &["a:443", "a"]);
        check(
            &[("host", "inner:8000"), ("x-forwarded-host", "a.example"), ("x-forwarded-port", "8443")],
            &["inner:8000", "a.example", "a.example:8443"],
        );
    }
}
