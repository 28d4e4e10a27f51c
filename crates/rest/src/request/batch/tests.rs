#![allow(clippy::unwrap_used)]

use super::*;
use actix_web::http::header::{COOKIE, USER_AGENT};
use serde_json::json;

fn outer() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("17"));
    headers.insert(USER_AGENT, HeaderValue::from_static("a client"));
    headers.insert(COOKIE, HeaderValue::from_static("flavour=oat"));
    headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("count=exact"));
    headers
}

fn item(item: serde_json::Value) -> Result<ApiRequest, Error> {
    let body = json!({ "requests": [item] }).to_string();
    Batch::parse(body.as_bytes())?.items[0].parse(&outer(), &Config::default())
}

#[test]
fn only_this_path_with_this_type_is_a_batch() {
    let typed = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
        headers
    };
    assert!(is_meant("POST", "/batch", &typed(MEDIA_TYPE)));
    assert!(is_meant("POST", "/batch", &typed("Application/vnd.basalt.BATCH+json; charset=utf-8")));
    assert!(!is_meant("POST", "/batch", &typed("application/json")));
    assert!(!is_meant("POST", "/batch", &HeaderMap::new()));
    assert!(!is_meant("PATCH", "/batch", &typed(MEDIA_TYPE)));
    assert!(!is_meant("POST", "/batches", &typed(MEDIA_TYPE)));
    assert!(!is_meant("POST", "/rpc/batch", &typed(MEDIA_TYPE)));
}

#[test]
fn items_are_requests_with_the_callers_headers() {
    let request = item(json!({
        "method": "PATCH",
        "path": "/clients?id=eq.1",
        "headers": { "Prefer": "return=representation" },
        "body": { "name": "Ada" },
    }))
    .unwrap();
    assert_eq!((&*request.method, &*request.path), ("PATCH", "/clients"));
    assert!(request.headers_json.contains(r#""user-agent":"a client""#));
    assert!(request.headers_json.contains(r#""prefer":"return=representation""#));
    assert!(!request.headers_json.contains("content-length") && !request.headers_json.contains("basalt"));
    assert_eq!(request.cookies_json, r#"{"flavour":"oat"}"#);
    assert_eq!(request.preferences.count, None);
    let Some(super::super::Payload::Json { raw, .. }) = request.payload else { panic!("no payload") };
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&raw).unwrap()["name"], "Ada");
}

#[test]
fn json_is_passed_on_as_it_was_written() {
    let body = br#"{"requests":[{"method":"POST","path":"/t","body":{"n": 1.10000000000000000000000001}}]}"#;
    let request = Batch::parse(body).unwrap().items[0].parse(&outer(), &Config::default()).unwrap();
    let Some(super::super::Payload::Json { raw, .. }) = request.payload else { panic!("no payload") };
    assert_eq!(raw, r#"{"n": 1.10000000000000000000000001}"#);
}

#[test]
fn other_bodies_are_strings() {
    let csv = |body| {
        let headers = json!({ "content-type": "text/csv" });
        item(json!({ "method": "POST", "path": "/clients", "headers": headers, "body": body }))
    };
    assert!(csv(json!("id,name\n1,Ada")).is_ok());
    assert!(matches!(csv(json!({ "id": 1 })), Err(Error::Body(_))));
}

#[test]
fn who_is_calling_is_not_the_items_to_say() {
    for name in ["authorization", "apikey", "x-forwarded-for", "cookie", "host", "a b", ""] {
        let headers = json!({ name: "x" });
        let refused = item(json!({ "method": "GET", "path": "/clients", "headers": headers }));
        assert!(matches!(refused, Err(Error::Body(_))), "{name}");
    }
    let split = json!({ "accept": "a\r\nauthorization: x" });
    assert!(item(json!({ "method": "GET", "path": "/clients", "headers": split })).is_err());
}

#[test]
fn paths_are_those_below_the_mount() {
    for path in ["clients", "", "http://example.com/clients", "/cli ents", "/clients\n", "/clients\u{0}"] {
        assert_eq!(item(json!({ "method": "GET", "path": path })).err(), Some(Error::Path), "{path}");
    }
}

#[test]
fn batches_are_bounded() {
    let of = |count: usize| {
        let item = json!({ "method": "GET", "path": "/clients" });
        json!({ "requests": vec![item; count] }).to_string()
    };
    assert_eq!(Batch::parse(of(MAX_ITEMS).as_bytes()).unwrap().items.len(), MAX_ITEMS);
    assert!(Batch::parse(of(MAX_ITEMS + 1).as_bytes()).is_err());
    let deep = format!("{{\"requests\":[{{\"body\":{}", "[".repeat(100_000));
    for body in ["", "[]", "{}", r#"{"requests":{}}"#, r#"{"requests":[],"more":1}"#, &deep] {
        assert!(matches!(Batch::parse(body.as_bytes()), Err(Error::Body(_))));
    }
}

#[test]
fn a_path_is_as_long_as_that_of_a_request() {
    let path = |length: usize| format!("/clients?a=eq.{}", "x".repeat(length - "/clients?a=eq.".len()));
    assert!(item(json!({ "method": "GET", "path": path(LONGEST_PATH) })).is_ok());
    let refused = item(json!({ "method": "GET", "path": path(LONGEST_PATH + 1) }));
    assert_eq!(refused.map(|_| ()).map_err(|error| error.code().into_owned()), Err("PGRST102".to_owned()));
}
