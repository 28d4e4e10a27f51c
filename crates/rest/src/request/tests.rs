#![allow(clippy::unwrap_used)]

use super::*;
use actix_web::http::header::{HeaderName, HeaderValue};

fn config() -> Config {
    Config { schemas: vec!["api".to_owned()], ..Config::default() }
}

fn parse_with(
    config: &Config,
    method: &str,
    target: &str,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> Result<ApiRequest, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let body = Bytes::from_static(body.as_bytes());
    ApiRequest::parse(Incoming { method, path, query, headers: &headers, body }, config)
}

fn parse(method: &str, target: &str) -> Result<ApiRequest, Error> {
    parse_with(&config(), method, target, &[], "{}")
}

#[test]
fn paths_and_methods_make_actions() {
    let relation = || "films".to_owned();
    let routine = || "f".to_owned();
    for (method, path, expected) in [
        ("GET", "/", Ok(Action::Describe { headers_only: false })),
        ("HEAD", "/", Ok(Action::Describe { headers_only: true })),
        ("OPTIONS", "/", Ok(Action::RootInfo)),
        ("POST", "/", Err(Error::Method("POST".into()))),
        ("GET", "/films", Ok(Action::Read { relation: relation(), headers_only: false })),
        ("HEAD", "/films", Ok(Action::Read { relation: relation(), headers_only: true })),
        ("POST", "/films", Ok(Action::Mutate { relation: relation(), mutation: Mutation::Create })),
        ("PATCH", "/films", Ok(Action::Mutate { relation: relation(), mutation: Mutation::Update })),
        ("PUT", "/films", Ok(Action::Mutate { relation: relation(), mutation: Mutation::SingleUpsert })),
        ("DELETE", "/films", Ok(Action::Mutate { relation: relation(), mutation: Mutation::Delete })),
        ("OPTIONS", "/films", Ok(Action::RelationInfo { relation: relation() })),
        ("TRACE", "/films", Err(Error::Method("TRACE".into()))),
        (
            "GET",
            "/rpc/f",
            Ok(Action::Call { routine: routine(), invoke: Invoke::Get { headers_only: false } }),
        ),
        ("POST", "/rpc/f", Ok(Action::Call { routine: routine(), invoke: Invoke::Post })),
        ("OPTIONS", "/rpc/f", Ok(Action::RoutineInfo { routine: routine() })),
        ("PUT", "/rpc/f", Err(Error::RpcMethod("PUT".into()))),
        ("GET", "/rpc", Ok(Action::Read { relation: "rpc".into(), headers_only: false })),
        ("GET", "/films/", Err(Error::Path)),
        ("GET", "/a/b", Err(Error::Path)),
        ("GET", "/rpc/a/b", Err(Error::Path)),
        ("GET", "/%E5%8D%95%20x", Ok(Action::Read { relation: "单 x".into(), headers_only: false })),
    ] {
        assert_eq!(parse(method, path).map(|request| request.action), expected, "{method} {path}");
    }
}

#[test]
fn names_that_postgres_could_not_have_are_refused() {
    for path in ["/%FF", "/a%00b", "/rpc/%00"] {
        assert_eq!(parse("GET", path).unwrap_err().status(), 400, "{path}");
    }
}

#[test]
fn the_root_may_be_a_function_or_nothing() {
    let function = Config { root_spec: Some("api.root".into()), ..config() };
    let action = parse_with(&function, "GET", "/", &[], "").unwrap().action;
    assert_eq!(action, Action::Call { routine: "root".into(), invoke: Invoke::Get { headers_only: false } });
    let disabled = Config { openapi_mode: OpenApiMode::Disabled, ..function };
    assert_eq!(parse_with(&disabled, "GET", "/", &[], "").unwrap_err(), Error::RootDisabled);
}

#[test]
fn profiles_choose_the_schema() {
    let two = Config { schemas: vec!["v1".into(), "v2".into()], ..config() };
    for (method, header, expected) in [
        ("GET", ("accept-profile", "v2"), Ok(("v2", true))),
        ("GET", ("content-profile", "v2"), Ok(("v1", true))),
        ("POST", ("content-profile", "v2"), Ok(("v2", true))),
        ("DELETE", ("accept-profile", "v2"), Ok(("v1", true))),
        (
            "HEAD",
            ("accept-profile", "v3"),
            Err(Error::Schema { name: "v3".into(), exposed: two.schemas.clone() }),
        ),
    ] {
        let parsed = parse_with(&two, method, "/t", &[header], "{}");
        let expected = expected.map(|(schema, named)| (schema.to_owned(), named));
        assert_eq!(parsed.map(|request| (request.schema, request.negotiated_by_profile)), expected);
    }
    assert!(!parse("GET", "/t").unwrap().negotiated_by_profile);
}

#[test]
fn the_first_failure_answers() {
    let wrong = [("accept-profile", "nope"), ("content-profile", "nope"), ("range", "5-2")];
    for (method, target, expected) in
        [("GET", "/a/b?id=x", "PGRST125"), ("PUT", "/rpc/f?id=x", "PGRST106"), ("GET", "/t?id=x", "PGRST106")]
    {
        assert_eq!(parse_with(&config(), method, target, &wrong, "").unwrap_err().code(), expected);
    }
    for (method, target, expected) in [
        ("PUT", "/rpc/f?or=x", "PGRST101"),
        ("GET", "/t?id=x", "PGRST100"),
        ("GET", "/t?id=eq.x", "PGRST103"),
        ("PATCH", "/t?id=eq.x", "PGRST102"),
    ] {
        assert_eq!(parse_with(&config(), method, target, &wrong[2..], "").unwrap_err().code(), expected);
    }
}

#[test]
fn columns_come_from_the_body_or_from_the_parameter() {
    let columns = |method, target, body| {
        let request = parse_with(&config(), method, target, &[], body).unwrap();
        request.columns.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(columns("POST", "/t", r#"{"b":1,"a":2}"#), ["a", "b"]);
    assert_eq!(columns("POST", "/t?columns=c,b", r#"{"a":2}"#), ["b", "c"]);
    assert_eq!(columns("PUT", "/t?columns=c", r#"{"a":2}"#), ["a"]);
    assert_eq!(columns("DELETE", "/t?columns=c", ""), Vec::<String>::new());
}
