//! What holds for every request: limits, hostile input, headers.

use kernel::units::Bytes;
use rest::{Config, Verbosity};
use serde_json::json;

use crate::service::{Caller, Service};

/// Every place of a request where text becomes a name or a value, with text that would matter if
/// it reached SQL unquoted. Each must be refused or find nothing, and leave the tables alone.
#[actix_web::test]
async fn hostile_text_never_becomes_sql() {
    let service = Service::start().await;
    let before = service.count("clients").await;
    for evil in
        ["x\";drop table clients cascade;--", "x');drop table clients cascade;--", "1;delete from clients"]
    {
        let evil: String = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (method, path) in [
            ("GET", format!("/{evil}")),
            ("GET", format!("/rpc/{evil}")),
            ("GET", format!("/clients?select=%22{evil}%22")),
            ("GET", format!("/clients?select={evil}:id")),
            ("GET", format!("/clients?select=id::{evil}")),
            ("GET", format!("/clients?select=projects!%22{evil}%22(id)")),
            ("GET", format!("/projects?select=data-%3E{evil}")),
            ("GET", format!("/clients?{evil}=eq.1")),
            ("GET", format!("/clients?name=eq.{evil}")),
            ("GET", format!("/clients?name=in.({evil})")),
            ("GET", format!("/clients?name=fts({evil}).x")),
            ("GET", format!("/clients?or=(name.eq.{evil},id.eq.0)")),
            ("GET", format!("/clients?order={evil}")),
            ("GET", format!("/clients?limit={evil}&offset={evil}")),
            ("PATCH", format!("/clients?id=eq.0&columns=%22{evil}%22")),
            ("POST", format!("/clients?on_conflict=%22{evil}%22")),
        ] {
            let answer = service.send(Caller::Service, method, &path, &[], r#"{"id":1,"name":"x"}"#).await;
            assert!(answer.status != 500 && answer.status != 503, "{method} {path}: {answer:?}");
        }
    }
    for header in
        [("prefer", "timezone=x';drop table clients;--"), ("accept-profile", "x\";drop table clients")]
    {
        let answer = service.send(Caller::Service, "GET", "/clients", &[header], "").await;
        assert!((400..500).contains(&answer.status), "{header:?}: {answer:?}");
    }
    assert_eq!(service.count("clients").await, before);
}

#[actix_web::test]
async fn monstrous_requests_are_refused() {
    let service = Service::with(Config { max_body: Bytes(1000), ..Config::default() }).await;
    let send = |method: &'static str, path: String, body: String| {
        let service = &service;
        async move { service.send(Caller::Service, method, &path, &[], &body).await }
    };
    let large = send("POST", "/clients".to_owned(), format!("[{}]", " ".repeat(2000))).await;
    assert_eq!((large.status, large.code().as_str()), (413, "PGRST102"));
    let deep = send("POST", "/clients".to_owned(), "[".repeat(900)).await;
    assert_eq!((deep.status, deep.code().as_str()), (400, "PGRST102"));
    for path in [
        format!("/clients?select={}id", "id,".repeat(3000)),
        format!("/clients?select={}id{}", "p(".repeat(5000), ")".repeat(5000)),
        format!("/clients?or=({}id.eq.1{})", "and(".repeat(5000), ")".repeat(5000)),
        "/clients?id=eq.%00".to_owned(),
        "/clients?id=eq.%FF".to_owned(),
    ] {
        let answer = send("GET", path, String::new()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "PGRST100"));
    }
}

#[actix_web::test]
async fn every_answer_carries_its_headers() {
    let service = Service::with(Config {
        cors: true,
        server_timing: true,
        trace_header: Some("X-Request-Id".to_owned()),
        error_verbosity: Verbosity::Minimal,
        ..Config::default()
    })
    .await;
    let headers = [("origin", "http://example.com"), ("x-request-id", "42")];
    let answer = service.send(Caller::Service, "GET", "/clients?select=id&id=eq.1", &headers, "").await;
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("content-location"), Some("/clients?id=eq.1&select=id"));
    assert_eq!(answer.header("vary"), Some("Accept, Prefer, Range"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("x-request-id"), Some("42"));
    assert!(answer.header("server-timing").is_some_and(|timing| timing.starts_with("jwt;dur=")));

    let refused = service.send(Caller::Service, "GET", "/nothing_there", &headers, "").await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.header("proxy-status"), Some("PostgREST; error=PGRST205"));
    assert_eq!(refused.header("x-request-id"), Some("42"));
    assert_eq!(refused.json().as_object().map(|body| body.len()), Some(2));

    let asked = [("origin", "http://example.com"), ("access-control-request-method", "POST")];
    let preflight = service.send(Caller::Anonymous, "OPTIONS", "/clients", &asked, "").await;
    assert_eq!((preflight.status, preflight.text.as_str()), (200, ""));
    assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
}

#[actix_web::test]
async fn the_root_shows_what_its_caller_may_use() {
    let service = Service::start().await;
    let paths = |caller| {
        let service = &service;
        async move {
            let answer = service.send(caller, "GET", "/", &[("host", "api.example:8443")], "").await;
            assert_eq!(answer.header("content-type"), Some("application/openapi+json; charset=utf-8"));
            answer.json()
        }
    };
    let all = paths(Caller::Service).await;
    assert_eq!((&all["swagger"], &all["host"]), (&json!("2.0"), &json!("api.example:8443")));
    assert!(all["paths"]["/clients"]["post"].is_object());
    assert_eq!(all["definitions"]["clients"]["type"], json!("object"));
}

#[actix_web::test]
async fn the_root_speaks_openapi_3_1_when_it_is_asked_to() {
    const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.1";
    let service = Service::start().await;
    let get = async |caller, accept| service.send(caller, "GET", "/", &[("accept", accept)], "").await;
    let modern = get(Caller::Service, OPENAPI).await;
    assert_eq!((modern.status, modern.header("content-type")), (200, Some(OPENAPI)));
    let document = modern.json();
    assert_eq!(document["openapi"], "3.1.0");
    let clients = &document["components"]["schemas"]["clients"]["properties"];
    assert_eq!(clients["id"]["type"], "integer");
    let projects = &document["components"]["schemas"]["projects"]["properties"];
    assert_eq!(projects["client_id"]["type"], json!(["integer", "null"]));
    assert!(document["paths"]["/rpc/add"]["post"]["requestBody"].is_object());
    // The better loved form wins; others of the family are not known.
    let either = format!("{OPENAPI};q=0.5, application/openapi+json");
    let swagger = get(Caller::Service, &either).await;
    assert_eq!(swagger.json()["swagger"], "2.0");
    let unknown = get(Caller::Service, "application/vnd.oai.openapi+json;version=3.0").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (406, "PGRST107"));
    let of_rows = service.send(Caller::Service, "GET", "/clients", &[("accept", OPENAPI)], "").await;
    assert_eq!((of_rows.status, of_rows.code().as_str()), (406, "PGRST107"));
}

#[actix_web::test]
async fn a_kept_description_shows_no_more_than_its_caller_may_see_now() {
    let service = Service::start().await;
    let sees = async |caller| {
        let document = service.send(caller, "GET", "/", &[], "").await.json();
        document["paths"]["/clients"].is_object()
    };
    for _ in 0..2 {
        assert!(sees(Caller::Service).await && sees(Caller::Anonymous).await);
    }
    let revoke = "revoke all on clients from anon";
    service.database.admin().await.batch(revoke).await.unwrap();
    assert!(sees(Caller::Service).await);
    assert!(!sees(Caller::Anonymous).await);
}

#[actix_web::test]
async fn rows_that_the_client_has_are_not_sent_again() {
    let service = Service::start().await;
    let read =
        async |path, known| service.send(Caller::Service, "GET", path, &[("if-none-match", known)], "").await;
    let path = "/clients?order=id&limit=2";
    assert_eq!(service.get(path).await.header("etag"), None, "nobody asked");
    let first = read(path, "\"\"").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(first.status == 200 && tag.starts_with("W/\""), "{first:?}");
    assert_eq!(first.text, service.get(path).await.text);

    let again = read(path, &tag).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
    assert_eq!(again.header("vary"), Some("Accept, Prefer, Range"));
    assert_eq!(again.header("content-type"), None);
    assert_eq!(read("/clients?order=id&limit=1", &tag).await.status, 200);

    let change = ("PATCH", "/clients?id=eq.1", r#"{"name":"Eve"}"#);
    let headers = [("if-none-match", "*")];
    let changed = service.send(Caller::Service, change.0, change.1, &headers, change.2).await;
    assert_eq!((changed.status, changed.header("etag")), (204, None), "only reads are tagged");
    let fresh = read(path, &tag).await;
    assert_eq!(fresh.status, 200);
    assert_ne!(fresh.header("etag"), Some(tag.as_str()));

    // Errors and functions are answered as ever, and nobody learns what another may see.
    assert_eq!(read("/nothing_there", "*").await.status, 404);
    let call = read("/rpc/add?a=1", "*").await;
    assert_eq!((call.status, call.header("etag")), (200, None));
    let denied = service.send(Caller::Anonymous, "GET", "/secrets", &headers, "").await;
    assert_eq!(denied.status, 401);
}
