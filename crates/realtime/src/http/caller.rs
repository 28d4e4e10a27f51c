//! Who calls, and what a request shows to policies.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::service::Service;
use crate::token::{Caller, is_opaque};

/// The caller of a request to broadcast: bearer token or API key.
pub(super) fn caller(request: &HttpRequest, service: &Service) -> Result<Caller, Error> {
    let headers = request.headers();
    let bearer = text(headers, AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let caller = match bearer.filter(|token| !token.is_empty()) {
        Some(token) if !is_opaque(token) => service.tokens.token(token),
        Some(key) => service.tokens.key(key),
        None => service.tokens.key(text(headers, "apikey").ok_or(Error::Unauthorized)?),
    };
    caller.map_err(|_| Error::Unauthorized)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The API key that opens a socket: a header before the query.
pub(super) fn socket_key(request: &HttpRequest) -> Option<String> {
    let header = text(request.headers(), "x-api-key").map(str::to_owned);
    let key = header.or_else(|| parameter(request, "apikey"));
    key.filter(|key| !key.trim().is_empty())
}

/// A parameter of the query.
pub(super) fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let pairs = request.query_string().split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    percent_decode_str(value).decode_utf8().ok().map(|value| value.into_owned())
}

/// Headers as the JSON object that policies read; those whose names begin with `prefix`. What proves the caller
/// stays out of it.
pub(super) fn headers_as_json(headers: &HeaderMap, prefix: &str) -> String {
    let shown = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let is_secret = matches!(name, "authorization" | "apikey" | "x-api-key" | "cookie");
        let value = value.to_str().ok().filter(|_| !is_secret && name.starts_with(prefix))?;
        Some((name.to_owned(), Value::from(value)))
    });
    Value::Object(shown.collect::<Map<_, _>>()).to_string()
}
