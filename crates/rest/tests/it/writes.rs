//! Changing relations.

use rest::{Config, TxEnd};
use serde_json::{Value, json};

use crate::service::{Answer, Caller, Service};

async fn send(service: &Service, method: &str, path: &str, prefer: &str, body: Value) -> Answer {
    service.send(Caller::Service, method, path, &[("prefer", prefer)], &body.to_string()).await
}

#[actix_web::test]
async fn inserts_answer_as_asked() {
    let service = Service::start().await;
    let minimal = send(&service, "POST", "/clients", "", json!({ "id": 4, "name": "Di" })).await;
    assert_eq!((minimal.status, minimal.text.as_str()), (201, ""));
    let rows = json!([{ "id": 5, "name": "Ed" }, { "id": 6, "name": "Flo" }]);
    let full =
        send(&service, "POST", "/clients?select=name", "return=representation,count=exact", rows).await;
    assert_eq!((full.status, full.json()), (201, json!([{ "name": "Ed" }, { "name": "Flo" }])));
    assert_eq!(full.header("content-range"), Some("*/2"));
    let placed =
        send(&service, "POST", "/clients", "return=headers-only", json!({ "id": 7, "name": "Gil" })).await;
    assert_eq!(placed.header("location"), Some("/clients?id=eq.7"));
    let again = send(&service, "POST", "/clients", "", json!({ "id": 7, "name": "Gil" })).await;
    assert_eq!((again.status, again.code()), (409, "23505".to_owned()));
    let embedded = send(
        &service,
        "POST",
        "/projects?select=name,clients(name)",
        "return=representation",
        json!({ "id": 9, "name": "Zeta", "client_id": 4 }),
    )
    .await;
    assert_eq!(embedded.json(), json!([{ "name": "Zeta", "clients": { "name": "Di" } }]));
}

#[actix_web::test]
async fn missing_keys_are_null_or_default() {
    let service = Service::start().await;
    let rows = json!([{ "id": 2, "label": "a" }, { "id": 3, "value": 1 }]);
    let path = "/counters?columns=id,value,label&select=value,label&order=id";
    let null = send(&service, "POST", path, "return=representation", rows).await;
    assert_eq!(null.json(), json!([{ "value": null, "label": "a" }, { "value": 1, "label": null }]));
    let rows = json!([{ "id": 4, "label": "a" }, { "id": 5, "value": 1 }]);
    let filled = send(&service, "POST", path, "return=representation,missing=default", rows).await;
    assert_eq!(filled.json(), json!([{ "value": 7, "label": "a" }, { "value": 1, "label": null }]));
    let empty = send(&service, "POST", "/notes?select=owner", "return=representation", json!([])).await;
    assert_eq!((empty.status, empty.json()), (201, json!([])));
}

#[actix_web::test]
async fn what_may_not_be_read_may_be_written() {
    let service = Service::start().await;
    let letter = json!({ "id": 1, "letter": "hello" }).to_string();
    let post = async |prefer| {
        service.send(Caller::Anonymous, "POST", "/mailbox", &[("prefer", prefer)], &letter).await.status
    };
    assert_eq!(post("return=representation").await, 401);
    assert_eq!(service.count("mailbox").await, 0);
    assert_eq!(post("return=minimal").await, 201);
    assert_eq!(service.count("mailbox").await, 1);
}

#[actix_web::test]
async fn upserts_say_whether_they_inserted() {
    let service = Service::start().await;
    let merge = "resolution=merge-duplicates,return=representation";
    let both = json!([{ "id": 1, "name": "Ada L." }, { "id": 9, "name": "Ivy" }]);
    assert_eq!(send(&service, "POST", "/clients", merge, both).await.status, 201);
    let old = send(&service, "POST", "/clients", merge, json!([{ "id": 1, "name": "Ada" }])).await;
    assert_eq!((old.status, old.json()), (200, json!([{ "id": 1, "name": "Ada" }])));
    let ignored = send(
        &service,
        "POST",
        "/clients",
        "resolution=ignore-duplicates,return=representation",
        json!({ "id": 1, "name": "X" }),
    )
    .await;
    assert_eq!((ignored.status, ignored.json()), (201, json!([])));
    let put = async |path, body| send(&service, "PUT", path, "return=representation", body).await;
    assert_eq!(put("/clients?id=eq.20", json!({ "id": 20, "name": "new" })).await.status, 201);
    assert_eq!(put("/clients?id=eq.20", json!({ "id": 20, "name": "same" })).await.status, 200);
    let other = put("/clients?id=eq.20", json!({ "id": 21, "name": "other" })).await;
    assert_eq!((other.status, other.code()), (400, "PGRST115".to_owned()));
    assert_eq!(service.get("/clients?id=eq.21").await.json(), json!([]));
}

#[actix_web::test]
async fn updates_and_deletes_hit_what_the_filters_say() {
    let service = Service::start().await;
    let answer = send(
        &service,
        "PATCH",
        "/clients?id=gt.1&select=id",
        "return=representation,count=exact",
        json!({ "name": "-" }),
    )
    .await;
    assert_eq!((answer.status, answer.header("content-range")), (200, Some("0-1/2")));
    let none = send(&service, "PATCH", "/clients?id=eq.99", "", json!({ "name": "-" })).await;
    assert_eq!(none.status, 204);
    let nothing = send(&service, "PATCH", "/clients?id=eq.1", "return=representation", json!({})).await;
    assert_eq!((nothing.status, nothing.json()), (200, json!([])));
    let or =
        send(&service, "DELETE", "/tasks?or=(id.eq.1,name.eq.test)", "return=representation", Value::Null)
            .await;
    assert_eq!(or.status, 409, "assignments hold on to tasks");
    let gone =
        send(&service, "DELETE", "/notes?owner=eq.bob&select=body", "return=representation", Value::Null)
            .await;
    assert_eq!(gone.json(), json!([{ "body": "his" }]));
    assert_eq!(service.count("notes").await, 1);
}

#[actix_web::test]
async fn what_breaks_a_rule_is_not_kept() {
    let service = Service::start().await;
    let one = [("accept", "application/vnd.pgrst.object+json")];
    let two = service.send(Caller::Service, "PATCH", "/clients?id=gt.1", &one, r#"{"name":"-"}"#).await;
    assert_eq!((two.status, two.code()), (406, "PGRST116".to_owned()));
    let limited = [("prefer", "handling=strict,max-affected=1")];
    let many = service.send(Caller::Service, "DELETE", "/notes", &limited, "").await;
    assert_eq!((many.status, many.code()), (400, "PGRST124".to_owned()));
    // A deferred constraint fails at the commit: no answer may have been given before it.
    let orphan = json!({ "id": 50, "name": "orphan", "client_id": 999 });
    let deferred = send(&service, "POST", "/projects", "", orphan).await;
    assert_eq!((deferred.status, deferred.code()), (409, "23503".to_owned()));
    assert_eq!(service.get("/clients?name=eq.-").await.json(), json!([]));
    assert_eq!(service.count("notes").await, 2);
    assert_eq!(service.count("projects").await, 3);
}

#[actix_web::test]
async fn transactions_end_as_told() {
    let service = Service::with(Config { tx_end: TxEnd::CommitAllowOverride, ..Config::default() }).await;
    let dry = send(
        &service,
        "POST",
        "/clients",
        "tx=rollback,return=representation",
        json!({ "id": 8, "name": "x" }),
    )
    .await;
    assert_eq!((dry.status, dry.json()), (201, json!([{ "id": 8, "name": "x" }])));
    let orphan = json!({ "id": 50, "name": "orphan", "client_id": 999 });
    let checked = send(&service, "POST", "/projects", "tx=rollback", orphan).await;
    assert_eq!(checked.code(), "23503");
    assert_eq!(service.count("clients").await, 3);
    // Where the settings do not allow it, the preference is nobody's.
    let service = Service::start().await;
    send(&service, "POST", "/clients", "tx=rollback", json!({ "id": 8, "name": "x" })).await;
    assert_eq!(service.count("clients").await, 4);
}

#[actix_web::test]
async fn nobody_writes_for_another() {
    let service = Service::start().await;
    let write = async |owner: &str| {
        let body = json!({ "owner": owner, "body": "new" }).to_string();
        service.send(Caller::User("ada"), "POST", "/notes", &[], &body).await
    };
    assert_eq!(write("ada").await.status, 201);
    let forged = write("bob").await;
    assert_eq!((forged.status, forged.code()), (403, "42501".to_owned()));
    let all = service.send(Caller::User("ada"), "DELETE", "/notes", &[("prefer", "count=exact")], "").await;
    assert_eq!(all.header("content-range"), Some("*/2"));
    assert_eq!(service.count("notes").await, 1, "bob's is still there");
}

#[actix_web::test]
async fn unknown_columns_and_wrong_bodies_are_refused() {
    let service = Service::start().await;
    assert_eq!(send(&service, "POST", "/clients", "", json!({ "nam": "x" })).await.code(), "PGRST204");
    assert_eq!(
        send(&service, "POST", "/clients", "", json!([{ "id": 1 }, { "name": "x" }])).await.code(),
        "PGRST102"
    );
    let raw = service.send(Caller::Service, "POST", "/clients?columns=id,name", &[], "[{").await;
    assert_eq!((raw.status, raw.code()), (400, "22P02".to_owned()));
}
