//! CORS, the same for every route and for the gateway's own errors.
//!
//! By default every origin may call and none may send credentials, as on Supabase. A list of
//! origins switches to an echo of those.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};

/// What scripts may read beyond the safe headers, unless the service says otherwise.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Length, Content-Location, \
    Content-Range, Content-Type, Date, ETag, Last-Modified, Link, Location, Range-Unit, Server, Transfer-Encoding, X-Supabase-Api-Version, X-Total-Count, sb-request-id";

/// True for the question that a browser asks before the real request.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that question: 200, because some old clients insist on it.
pub(crate) fn preflight(allowed: &[String], headers: &HeaderMap) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if origin(allowed, headers.get(ORIGIN)).is_some() {
        answer
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS"))
            .insert_header((ACCESS_CONTROL_MAX_AGE, "86400"));
        if let Some(requested) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, requested.clone()));
        }
    }
    answer.insert_header((VARY, "Origin, Access-Control-Request-Headers"));
    answer.finish()
}

/// Adds the headers of an ordinary answer, exactly once each.
pub(crate) fn decorate(allowed: &[String], asked: Option<&HeaderValue>, headers: &mut HeaderMap) {
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    let Some(origin) = origin(allowed, asked) else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if !allowed.is_empty() {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if !headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// The value of `Access-Control-Allow-Origin`, or `None` if this origin may not call.
fn origin(allowed: &[String], asked: Option<&HeaderValue>) -> Option<HeaderValue> {
    if allowed.is_empty() {
        return Some(HeaderValue::from_static("*"));
    }
    let asked = asked?;
    allowed.iter().any(|origin| origin.as_bytes() == asked.as_bytes()).then(|| asked.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(allowed: &[&str], from: &str) -> Option<String> {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        decorate(&allowed, Some(&HeaderValue::from_str(from).unwrap()), &mut headers);
        headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_list_of_origins_is_a_list() {
        assert_eq!(asked(&[], "https://any.example").as_deref(), Some("*"));
        assert_eq!(asked(&["https://a.example"], "https://a.example").as_deref(), Some("https://a.example"));
        assert_eq!(asked(&["https://a.example"], "https://b.example"), None);
        assert_eq!(asked(&["https://a.example"], "https://a.example.evil"), None);
    }

    #[test]
    fn no_answer_allows_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        decorate(&[], None, &mut headers);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
