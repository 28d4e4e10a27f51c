//! Calling functions.

use serde_json::json;

use crate::service::{Caller, Service};

#[actix_web::test]
async fn arguments_come_from_url_and_body() {
    let service = Service::start().await;
    assert_eq!(service.get("/rpc/add?a=1&b=2").await.text, "3");
    assert_eq!(service.get("/rpc/add?a=1").await.text, "11");
    assert_eq!(service.get("/rpc/joined?words=x&words=y").await.text, r#""x-y""#);
    let post = async |path, body| service.send(Caller::Service, "POST", path, &[], body).await;
    assert_eq!(post("/rpc/add", r#"{"a":1,"b":2}"#).await.text, "3");
    assert_eq!(post("/rpc/joined", r#"{"words":["x","y"]}"#).await.text, r#""x-y""#);
    assert_eq!(post("/rpc/echo", r#"{"any": [1, null]}"#).await.json(), json!({ "any": [1, null] }));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(service.send(Caller::Service, "POST", "/rpc/add", &form, "a=4&b=5").await.text, "9");
    let unknown = service.get("/rpc/add?a=1&c=2").await;
    assert_eq!((unknown.status, unknown.code()), (404, "PGRST202".to_owned()));
    let wrong = service.get("/rpc/add?a=x").await;
    assert_eq!((wrong.status, wrong.code()), (400, "22P02".to_owned()));
}

#[actix_web::test]
async fn rows_of_a_function_are_rows_of_their_relation() {
    let service = Service::start().await;
    let path =
        "/rpc/projects_of?client=1&select=name,clients(name),tasks(id)&name=eq.Alpha&tasks.order=id.desc";
    let answer = service.get(path).await;
    let row = json!({ "name": "Alpha", "clients": { "name": "Ada" }, "tasks": [{ "id": 2 }, { "id": 1 }] });
    assert_eq!(answer.json(), json!([row]));
    let page = service
        .send(Caller::Service, "GET", "/rpc/projects_of?client=1&limit=1", &[("prefer", "count=exact")], "")
        .await;
    assert_eq!((page.status, page.header("content-range")), (206, Some("0-0/2")));
    // Sorted by what is not selected.
    let sorted = service.get("/rpc/projects_of?client=1&select=name&order=id.desc").await;
    assert_eq!(sorted.json(), json!([{ "name": "Beta" }, { "name": "Alpha" }]));
    let one = [("accept", "application/vnd.pgrst.object+json")];
    let several = service.send(Caller::Service, "POST", "/rpc/projects_of", &one, r#"{"client":1}"#).await;
    assert_eq!((several.status, several.code()), (406, "PGRST116".to_owned()));
}

#[actix_web::test]
async fn a_get_cannot_write() {
    let service = Service::start().await;
    let get = service.get("/rpc/touch").await;
    assert_eq!((get.status, get.code()), (405, "25006".to_owned()));
    let post = service.send(Caller::Service, "POST", "/rpc/touch", &[], "").await;
    assert_eq!((post.status, post.text.as_str()), (204, ""));
    assert_eq!(service.get("/counters?select=value").await.json(), json!([{ "value": 1 }]));
}

#[actix_web::test]
async fn sql_sees_the_request() {
    let service = Service::start().await;
    let headers = [("user-agent", "test/1"), ("cookie", "flavour=oat"), ("prefer", "timezone=America/Lima")];
    let answer = service.send(Caller::User("ada"), "GET", "/rpc/whoami", &headers, "").await;
    let seen = json!({
        "role": "authenticated", "sub": "ada", "method": "GET", "path": "/rpc/whoami",
        "agent": "test/1", "cookie": "oat", "zone": "America/Lima"
    });
    assert_eq!(answer.json(), seen);
    let answer = service.send(Caller::Anonymous, "GET", "/rpc/whoami", &[], "").await.json();
    assert_eq!(
        (&answer["role"], &answer["sub"], &answer["cookie"]),
        (&json!("anon"), &json!(null), &json!(null))
    );
}

#[actix_web::test]
async fn sql_answers_as_it_likes() {
    let service = Service::start().await;
    let answer = service.send(Caller::Service, "POST", "/rpc/teapot", &[], "").await;
    assert_eq!((answer.status, answer.header("x-brew")), (418, Some("earl grey")));
}

#[actix_web::test]
async fn a_request_leaves_nothing_to_the_next() {
    let service = Service::start().await;
    for _ in 0..20 {
        let said = service.send(Caller::Service, "POST", "/rpc/remember", &[], r#"{"word":"mine"}"#).await;
        assert_eq!(said.status, 204);
        let heard = service.send(Caller::Anonymous, "GET", "/rpc/recall", &[], "").await;
        assert!(matches!(heard.text.as_str(), "null" | "\"\""), "{heard:?}");
    }
}
