//! CORS for a data API without a gateway before it.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN,
};

const METHODS: &str = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD";
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, \
                       Server, Transfer-Encoding, Range-Unit";

/// True if the request asks for permission only.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight.
pub(crate) fn preflight(headers: &HeaderMap, origins: &[String]) -> HttpResponse {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let allowed: Vec<&str> = std::iter::once("Authorization")
        .chain(asked.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()))
        .chain(["Accept", "Accept-Language", "Content-Language"])
        .collect();
    let mut answer = HttpResponse::Ok().finish();
    let own = answer.headers_mut();
    if allow_origin(own, headers, origins) {
        own.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        own.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        if let Ok(value) = HeaderValue::from_str(&allowed.join(", ")) {
            own.insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
        }
    }
    answer
}

/// Adds to an answer what lets a page of another origin read it.
pub(crate) fn decorate(answer: &mut HttpResponse, request: &HeaderMap, origins: &[String]) {
    if allow_origin(answer.headers_mut(), request, origins) {
        answer.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// Allows the origin of the request, if there is one and it may come. Without a list any may,
/// but then browsers send no credentials along.
fn allow_origin(answer: &mut HeaderMap, request: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = request.get(ORIGIN) else { return false };
    if origins.is_empty() {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return true;
    }
    if !origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        return false;
    }
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use actix_web::http::header::HeaderName;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn preflights_list_what_was_asked_for() {
        let asked = headers(&[
            (ORIGIN, "http://example.com"),
            (ACCESS_CONTROL_REQUEST_METHOD, "POST"),
            (ACCESS_CONTROL_REQUEST_HEADERS, "Foo,Bar"),
        ]);
        assert!(is_preflight(&Method::OPTIONS, &asked) && !is_preflight(&Method::GET, &asked));
        let answer = preflight(&asked, &[]);
        let own = answer.headers();
        assert_eq!(own.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert_eq!(
            own.get(ACCESS_CONTROL_ALLOW_HEADERS).unwrap(),
            "Authorization, Foo, Bar, Accept, Accept-Language, Content-Language"
        );
    }

    #[test]
    fn only_listed_origins_may_send_credentials() {
        let origins = ["http://a.example".to_owned()];
        for (origin, allowed) in [("http://a.example", true), ("http://a.example.evil", false)] {
            let mut answer = HttpResponse::Ok().finish();
            decorate(&mut answer, &headers(&[(ORIGIN, origin)]), &origins);
            assert_eq!(answer.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), allowed);
            assert_eq!(answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), allowed);
        }
    }
}
