//! Where the answers of PostgREST 14 are not those of 16, and the switch between them.

use rest::{Compatibility, Config};
use serde_json::json;

use crate::service::{Answer, Caller, Service};

async fn service(compatibility: Compatibility) -> Service {
    Service::with(Config { compatibility, ..Config::default() }).await
}

async fn zone(service: &Service, preferences: &str) -> Answer {
    let headers = [("prefer", preferences)];
    service.send(Caller::Service, "GET", "/rpc/whoami", &headers, "").await
}

#[actix_web::test]
async fn a_time_zone_that_nobody_knows_is_ignored_as_14_does() {
    let service = service(Compatibility::V14).await;
    let usual = service.get("/rpc/whoami").await.json()["zone"].clone();
    for preferences in ["timezone=Nowhere/Land", "handling=lenient, timezone=Nowhere/Land", "timezone=-4"] {
        let answer = zone(&service, preferences).await;
        assert_eq!((answer.status, &answer.json()["zone"]), (200, &usual), "{preferences}");
        let applied = answer.header("preference-applied").unwrap_or_default();
        assert!(!applied.contains("timezone"), "{applied}");
    }
    let known = zone(&service, "handling=strict, timezone=Asia/Tokyo").await;
    assert_eq!((known.status, &known.json()["zone"]), (200, &json!("Asia/Tokyo")));
    assert_eq!(known.header("preference-applied"), Some("handling=strict, timezone=Asia/Tokyo"));

    let strict = zone(&service, "handling=strict, timezone=Nowhere/Land, what").await;
    assert_eq!((strict.status, strict.code().as_str()), (400, "PGRST122"));
    assert_eq!(strict.json()["details"], "Invalid preferences: timezone=Nowhere/Land, what");
}

#[actix_web::test]
async fn the_database_decides_about_time_zones_as_in_16() {
    let service = service(Compatibility::V16).await;
    for preferences in ["timezone=Nowhere/Land", "handling=strict, timezone=Nowhere/Land"] {
        let answer = zone(&service, preferences).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "22023"), "{preferences}");
    }
    assert_eq!(zone(&service, "timezone=-4").await.json()["zone"], "<-04>+04");
}

#[actix_web::test]
async fn an_item_of_a_batch_is_no_exception() {
    let service = service(Compatibility::V14).await;
    let item = |prefer| json!({ "method": "GET", "path": "/rpc/whoami", "headers": { "Prefer": prefer } });
    let items = [item("timezone=Nowhere/Land"), item("timezone=Asia/Tokyo")];
    let batch = json!({ "requests": items }).to_string();
    let headers = [("content-type", "application/vnd.basalt.batch+json")];
    let answer = service.send(Caller::Service, "POST", "/batch", &headers, &batch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["responses"][1]["body"]["zone"], "Asia/Tokyo");
}

#[actix_web::test]
async fn headers_that_came_after_14_are_not_sent() {
    const LEGACY: &str = "/projects?select=id,owner:clients(name)&clients.id=eq.1";
    for (compatibility, newer) in [(Compatibility::V14, false), (Compatibility::V16, true)] {
        let service = service(compatibility).await;
        for path in ["/clients", "/rpc/add?a=1", "/", LEGACY] {
            let answer = service.get(path).await;
            assert_eq!((answer.status, answer.header("vary").is_some()), (200, newer), "{path}");
        }
        assert_eq!(service.get(LEGACY).await.header("warning").is_some(), newer);
        // What SQL says is sent in any case.
        assert_eq!(service.get("/rpc/varied").await.header("vary"), Some("X-Weather"));
    }
}

#[actix_web::test]
async fn a_serialization_failure_is_tried_again_as_14_does() {
    let old = service(Compatibility::V14).await;
    let answer = old.send(Caller::Service, "POST", "/rpc/unlucky", &[], r#"{"times":3}"#).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "4"));
    let forever = old.send(Caller::Service, "POST", "/rpc/unlucky", &[], r#"{"times":1000}"#).await;
    assert_eq!((forever.status, forever.code().as_str()), (500, "40001"));

    let new = service(Compatibility::V16).await;
    let answer = new.send(Caller::Service, "POST", "/rpc/unlucky", &[], r#"{"times":3}"#).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "40001"));
}
