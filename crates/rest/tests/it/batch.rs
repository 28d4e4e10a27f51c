//! Several requests in one transaction.

use rest::{Config, TxEnd};
use serde_json::{Value, json};

use crate::service::{Answer, Caller, Service};

const BATCH: &str = "application/vnd.basalt.batch+json";

async fn send(service: &Service, caller: Caller, batch: Value) -> Answer {
    service.send(caller, "POST", "/batch", &[("content-type", BATCH)], &batch.to_string()).await
}

fn statuses(answer: &Answer) -> Vec<u64> {
    let all = answer.json();
    all["responses"].as_array().unwrap().iter().map(|part| part["status"].as_u64().unwrap()).collect()
}

fn insert(id: i32) -> Value {
    json!({ "method": "POST", "path": "/clients", "body": { "id": id, "name": "New" } })
}

#[actix_web::test]
async fn each_item_has_its_answer_and_sees_those_before_it() {
    let service = Service::start().await;
    let answer = send(
        &service,
        Caller::Service,
        json!({ "requests": [
            {
                "method": "POST",
                "path": "/clients?select=id",
                "headers": { "Prefer": "return=representation" },
                "body": { "id": 4, "name": "Dee" },
            },
            {
                "method": "GET",
                "path": "/clients?id=gt.2&order=id",
                "headers": { "Prefer": "count=exact", "Accept": "text/csv" },
            },
            { "method": "PATCH", "path": "/clients?id=eq.4", "body": { "name": "Di" } },
            { "method": "GET", "path": "/clients?id=eq.4&select=name" },
            { "method": "POST", "path": "/rpc/add", "body": { "a": 1 } },
            { "method": "HEAD", "path": "/clients" },
            { "method": "OPTIONS", "path": "/clients" },
        ] }),
    )
    .await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(BATCH)));
    assert_eq!(statuses(&answer), [201, 200, 204, 200, 200, 200, 200]);
    let all = answer.json();
    assert_eq!(all["committed"], true);
    let parts = &all["responses"];
    assert_eq!(parts[0]["body"], json!([{ "id": 4 }]));
    assert_eq!(parts[1]["body"], "id,name\n3,Cy\n4,Dee");
    assert_eq!(parts[1]["headers"]["content-range"], "0-1/2");
    assert_eq!(parts[2]["body"], Value::Null);
    assert_eq!(parts[3]["body"], json!([{ "name": "Di" }]));
    assert_eq!(parts[4]["body"], 11);
    assert_eq!(parts[5]["body"], Value::Null);
    assert!(parts[6]["headers"]["allow"].as_str().unwrap().contains("POST"));
    assert_eq!(service.count("clients where name = 'Di'").await, 1);
}

#[actix_web::test]
async fn all_or_nothing_is_the_default() {
    let service = Service::start().await;
    let batch = json!({ "requests": [insert(4), insert(1), insert(5)] });
    let answer = send(&service, Caller::Service, batch).await;
    assert_eq!((answer.status, statuses(&answer)), (409, vec![424, 409, 424]));
    let all = answer.json();
    assert_eq!(all["committed"], false);
    assert_eq!(all["responses"][0]["body"]["code"], "BSLT001");
    assert_eq!(all["responses"][1]["body"]["code"], "23505");
    assert_eq!(service.count("clients").await, 3);

    // What is wrong before anything runs is found before anything runs.
    let unknown = json!({ "method": "GET", "path": "/nothing_there" });
    let touch = json!({ "method": "POST", "path": "/rpc/touch" });
    let answer = send(&service, Caller::Service, json!({ "requests": [touch, unknown] })).await;
    assert_eq!((answer.status, statuses(&answer)), (404, vec![424, 404]));
    // A rule that the rows break counts as well.
    let single = json!({ "accept": "application/vnd.pgrst.object+json" });
    let several = json!({ "method": "GET", "path": "/clients", "headers": single });
    let answer = send(&service, Caller::Service, json!({ "requests": [insert(4), several] })).await;
    assert_eq!((answer.status, statuses(&answer)), (406, vec![424, 406]));
    assert_eq!(service.count("clients").await, 3);
}

#[actix_web::test]
async fn on_request_items_stand_for_themselves() {
    let service = Service::start().await;
    let late =
        json!({ "method": "POST", "path": "/projects", "body": { "id": 9, "name": "x", "client_id": 99 } });
    let unknown = json!({ "method": "GET", "path": "/nothing_there" });
    let requests = [insert(4), insert(1), late, unknown, insert(5)];
    let answer = send(&service, Caller::Service, json!({ "atomic": false, "requests": requests })).await;
    assert_eq!((answer.status, statuses(&answer)), (200, vec![201, 409, 409, 404, 201]));
    assert_eq!(answer.json()["committed"], true);
    assert_eq!(service.count("clients").await, 5);
    assert_eq!(service.count("projects").await, 3);
}

#[actix_web::test]
async fn a_deferred_constraint_may_be_met_by_a_later_item() {
    let service = Service::start().await;
    let project =
        json!({ "method": "POST", "path": "/projects", "body": { "id": 9, "name": "x", "client_id": 9 } });
    let answer = send(&service, Caller::Service, json!({ "requests": [project, insert(9)] })).await;
    assert_eq!((answer.status, statuses(&answer)), (200, vec![201, 201]));
    let orphan =
        json!({ "method": "POST", "path": "/projects", "body": { "id": 8, "name": "x", "client_id": 8 } });
    let answer = send(&service, Caller::Service, json!({ "requests": [orphan] })).await;
    assert_eq!((answer.status, answer.code()), (409, "23503".to_owned()));
    assert_eq!(service.count("projects").await, 4);
}

#[actix_web::test]
async fn items_run_as_the_caller_and_apart() {
    let service = Service::start().await;
    let get = |path: &str| json!({ "method": "GET", "path": path });
    let user = Caller::User("ada");
    let answer = send(&service, user, json!({ "requests": [get("/notes?select=body")] })).await;
    assert_eq!(answer.json()["responses"][0]["body"], json!([{ "body": "hers" }]));
    let answer = send(&service, user, json!({ "requests": [get("/secrets")] })).await;
    assert_eq!((answer.status, statuses(&answer)), (403, vec![403]));
    let theft = json!({ "method": "POST", "path": "/notes", "body": { "owner": "bob", "body": "x" } });
    let answer = send(&service, user, json!({ "requests": [theft] })).await;
    assert_eq!(answer.status, 403);

    // A function that writes is read-only by GET, whatever else the batch may do.
    let touch = json!({ "method": "POST", "path": "/rpc/touch" });
    let answer = send(&service, user, json!({ "requests": [get("/rpc/touch"), touch] })).await;
    assert_eq!((answer.status, statuses(&answer)), (405, vec![405, 424]));

    // Settings made by one, for the transaction or the session, are gone for the next.
    let tokyo = json!({ "prefer": "timezone=Asia/Tokyo" });
    let first = json!({ "method": "GET", "path": "/rpc/whoami", "headers": tokyo });
    let remember = json!({ "method": "POST", "path": "/rpc/remember", "body": { "word": "secret" } });
    let teapot = json!({ "method": "POST", "path": "/rpc/teapot" });
    let requests = [first, remember, teapot, get("/rpc/recall"), get("/rpc/whoami")];
    let answer = send(&service, user, json!({ "requests": requests })).await;
    assert_eq!(statuses(&answer), [200, 204, 418, 200, 200]);
    let all = answer.json();
    assert_eq!(all["responses"][0]["body"]["zone"], "Asia/Tokyo");
    assert_eq!(all["responses"][2]["headers"]["x-brew"], "earl grey");
    assert_eq!(all["responses"][3]["body"].as_str().unwrap_or_default(), "");
    let last = &all["responses"][4];
    assert!(last["headers"].get("x-brew").is_none());
    assert_ne!(last["body"]["zone"], "Asia/Tokyo");
    assert_eq!((&last["body"]["path"], &last["body"]["sub"]), (&json!("/rpc/whoami"), &json!("ada")));
}

#[actix_web::test]
async fn the_settings_say_how_a_batch_ends() {
    let service = Service::with(Config { tx_end: TxEnd::CommitAllowOverride, ..Config::default() }).await;
    let headers = [("content-type", BATCH), ("prefer", "tx=rollback")];
    let batch = json!({ "requests": [insert(4)] }).to_string();
    let answer = service.send(Caller::Service, "POST", "/batch", &headers, &batch).await;
    assert_eq!((answer.status, statuses(&answer)), (200, vec![201]));
    assert_eq!(answer.json()["committed"], false);
    assert_eq!(service.count("clients").await, 3);
}

#[actix_web::test]
async fn batches_that_are_none_are_refused() {
    let service = Service::with(Config { max_body: kernel::units::Bytes(2000), ..Config::default() }).await;
    let get = json!({ "method": "GET", "path": "/clients" });
    for (batch, status, code) in [
        (json!([]), 400, "PGRST102"),
        (json!({ "requests": vec![get.clone(); 30], "all": 1 }), 400, "PGRST102"),
        (json!({ "requests": [insert(1)], "padding": " ".repeat(3000) }), 413, "PGRST102"),
    ] {
        let answer = send(&service, Caller::Service, batch).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    for (item, code) in [
        (json!({ "method": "GET", "path": "/" }), "BSLT003"),
        (json!({ "method": "TRACE", "path": "/clients" }), "PGRST117"),
        (json!({ "method": "GET", "path": "/rest/v1/clients" }), "PGRST125"),
        (json!({ "method": "GET", "path": "clients" }), "PGRST125"),
        (
            json!({ "method": "GET", "path": "/clients", "headers": { "authorization": "Bearer x" } }),
            "PGRST102",
        ),
    ] {
        let answer = send(&service, Caller::Service, json!({ "requests": [item] })).await;
        assert_eq!(answer.json()["responses"][0]["body"]["code"], code);
    }
    // Together the answers are as bounded as the batch is.
    let many = vec![json!({ "method": "GET", "path": "/clients" }); 30];
    let answer = send(&service, Caller::Service, json!({ "atomic": false, "requests": many })).await;
    let codes = answer.json();
    assert!(codes.to_string().contains("BSLT002"), "{answer:?}");
}

#[actix_web::test]
async fn a_relation_called_batch_stays_reachable() {
    let service = Service::start().await;
    let ordinary = json!({ "requests": [] }).to_string();
    let answer = service.send(Caller::Service, "POST", "/batch", &[], &ordinary).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "PGRST205"));
    let answer = service.send(Caller::Service, "GET", "/batch", &[("content-type", BATCH)], "").await;
    assert_eq!(answer.code(), "PGRST205");
    let empty = send(&service, Caller::Anonymous, json!({ "requests": [] })).await;
    assert_eq!((empty.status, empty.json()), (200, json!({ "committed": true, "responses": [] })));
}
