//! Signed URLs, and attempts to use them for something else.

use std::time::Duration;

use actix_web::http::Method;
use jwt::KeySet;
use serde_json::{Value, json};

use crate::harness::{Api, SECRET, USER, request};

async fn with_object() -> Api {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.upload("b/dir/a.txt", &api.service(), "content").await.ok();
    api.upload("b/dir/secret.txt", &api.service(), "secret").await.ok();
    api
}

fn forge(claims: Value) -> String {
    KeySet::from_secret(SECRET).sign(&serde_json::from_value(claims).unwrap()).unwrap()
}

#[actix_web::test]
async fn a_url_reads_one_object_for_a_while() {
    let api = with_object().await;
    let body = json!({ "expiresIn": 60 });
    api.post("/object/sign/b/dir/a.txt", &api.user(USER), body.clone()).await.refused(
        "404",
        "NoSuchKey",
        "Object not found",
    );
    api.allow("objects", &["select"], "true").await;
    let signed = api.post("/object/sign/b/dir/a.txt", &api.user(USER), body).await.ok();
    let url = signed["signedURL"].as_str().unwrap();
    assert!(url.starts_with("/object/sign/b/dir/a.txt?token="));
    let answer = api.get(url, "").await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, b"content".as_slice()));
    assert_eq!(
        (answer.header("cache-control"), answer.header("expires")),
        ("", "Fri, 15 Jan 2027 08:01:00 GMT")
    );
    let download = api.get(&format!("{url}&download=x.txt"), "").await;
    assert_eq!(download.header("content-disposition"), "attachment; filename=x.txt; filename*=UTF-8''x.txt");
    // Not another object, not by another route.
    let elsewhere = url.replace("a.txt", "secret.txt");
    api.get(&elsewhere, "").await.refused("400", "InvalidSignature", "Invalid signature");
    let put = request(Method::PUT, &url.replace("/object/sign", "/object/upload/sign"), "").set_payload("x");
    api.send(put).await.refused("400", "InvalidSignature", "Token is not scoped for upload");
    api.clock.advance(Duration::from_secs(61));
    api.get(url, "").await.refused("400", "InvalidJWT", "\"exp\" claim timestamp check failed");
}

#[actix_web::test]
async fn what_is_no_signature_is_refused() {
    let api = with_object().await;
    let get = async |token: &str| api.get(&format!("/object/sign/b/dir/a.txt?token={token}"), "").await;
    let later = api.clock.unix() + 60;
    get("").await.refused("400", "InvalidJWT", "Invalid Compact JWS");
    get("a.b.c").await.refused("400", "InvalidJWT", "JWS Protected Header is invalid");
    let missing = api.get("/object/sign/b/dir/a.txt", "").await;
    missing.refused("400", "InvalidRequest", "querystring must have required property 'token'");
    let other = KeySet::from_secret("another secret of at least 32 bytes!!");
    let claims = json!({ "url": "b/dir/a.txt", "scope": "download", "exp": later });
    let forged = other.sign(&serde_json::from_value(claims.clone()).unwrap()).unwrap();
    get(&forged).await.refused("400", "InvalidJWT", "signature verification failed");
    // eyJhbGciOiJub25lIn0 is {"alg":"none"}.
    let payload = forge(claims).split('.').nth(1).unwrap().to_owned();
    let none = get(&format!("eyJhbGciOiJub25lIn0.{payload}.")).await;
    none.refused("400", "InvalidJWT", "\"alg\" (Algorithm) Header Parameter value not allowed");
    // A token of a user is no link, and one without an end is none either.
    let user = get(&api.user(USER)).await;
    user.refused("400", "InvalidSignature", "Invalid signature");
    let endless = get(&forge(json!({ "url": "b/dir/a.txt", "scope": "download" }))).await;
    assert_eq!(endless.error(), (400, "400", "InvalidJWT"));
    for scope in [json!("upload"), json!("x"), json!(null), json!(["download"])] {
        let token = forge(json!({ "url": "b/dir/a.txt", "scope": scope, "exp": later }));
        get(&token).await.refused("400", "InvalidSignature", "Token is not scoped for download");
    }
    // As older servers made them.
    let old = get(&forge(json!({ "url": "b/dir/a.txt", "iat": 1, "exp": later }))).await;
    assert_eq!(old.bytes, b"content");
    let upload = get(&forge(json!({ "url": "b/dir/a.txt", "upsert": true, "exp": later }))).await;
    upload.refused("400", "InvalidSignature", "Token is not scoped for download");
    // A link is no token of a caller.
    let link = forge(json!({ "url": "b/dir/a.txt", "scope": "download", "exp": later }));
    assert_eq!(api.get("/object/authenticated/b/dir/a.txt", &link).await.error(), (400, "404", "NoSuchKey"));
}

#[actix_web::test]
async fn a_link_tells_nothing_of_buckets() {
    let api = with_object().await;
    let later = api.clock.unix() + 60;
    for url in ["none/a.txt", "b/none.txt"] {
        let token = forge(json!({ "url": url, "scope": "download", "exp": later }));
        let answer = api.get(&format!("/object/sign/{url}?token={token}"), "").await;
        answer.refused("404", "NoSuchKey", "Object not found");
    }
}

#[actix_web::test]
async fn several_at_once_and_the_limits() {
    let api = with_object().await;
    let service = api.service();
    let sign = async |body: Value| api.post("/object/sign/b", &service, body).await;
    let lines = sign(json!({ "expiresIn": "60", "paths": ["none", "dir/a.txt"] })).await.ok();
    assert_eq!(lines[0]["error"], "Either the object does not exist or you do not have access to it");
    assert_eq!((&lines[0]["path"], &lines[0]["signedURL"]), (&json!("none"), &Value::Null));
    assert_eq!(lines[1]["error"], Value::Null);
    assert_eq!(api.get(lines[1]["signedURL"].as_str().unwrap(), "").await.bytes, b"content");
    let check = async |body: Value, message: &str| sign(body).await.refused("400", "InvalidRequest", message);
    check(json!({ "paths": ["a"] }), "body must have required property 'expiresIn'").await;
    check(json!({ "expiresIn": 0, "paths": ["a"] }), "body/expiresIn must be >= 1").await;
    check(json!({ "expiresIn": "soon", "paths": ["a"] }), "body/expiresIn must be integer").await;
    check(json!({ "expiresIn": 1, "paths": [] }), "body/paths must NOT have fewer than 1 items").await;
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    check(json!({ "expiresIn": 1, "paths": many }), "body/paths must NOT have more than 1000 items").await;
    let far =
        api.post("/object/sign/b/dir/a.txt", &service, json!({ "expiresIn": 9_007_199_254_741_i64 })).await;
    far.refused("400", "InvalidParameter", "Invalid Parameter expiresIn");
    let far = api
        .post("/object/sign/b/dir/a.txt", &service, json!({ "expiresIn": 9_000_000_000_000_i64 }))
        .await
        .ok();
    assert_eq!(
        api.get(far["signedURL"].as_str().unwrap(), "").await.header("expires"),
        "Fri, 31 Dec 9999 23:59:59 GMT"
    );
}

#[actix_web::test]
async fn a_url_writes_one_object_of_whoever_made_it() {
    let api = with_object().await;
    let user = api.user(USER);
    let sign = |path: &str| request(Method::POST, &format!("/object/upload/sign/b/{path}"), &user);
    let denied = api.send(sign("new")).await;
    denied.refused("403", "AccessDenied", "new row violates row-level security policy");
    api.allow("objects", &["insert"], "true").await;
    let exists = api.send(sign("dir/a.txt")).await;
    exists.refused("409", "KeyAlreadyExists", "The resource already exists");
    let signed = api.send(sign("new")).await.ok();
    let url = signed["url"].as_str().unwrap();
    assert_eq!(url, format!("/object/upload/sign/b/new?token={}", signed["token"].as_str().unwrap()));
    let put = |url: &str, content: &str| {
        request(Method::PUT, url, "").insert_header(("x-upsert", "true")).set_payload(content.to_owned())
    };
    let elsewhere = api.send(put(&url.replace("/b/new", "/b/other"), "x")).await;
    elsewhere.refused("400", "InvalidSignature", "Invalid signature");
    let reading = api.get(&url.replace("/object/upload/sign", "/object/sign"), "").await;
    reading.refused("400", "InvalidSignature", "Token is not scoped for download");
    assert_eq!(api.send(put(url, "one")).await.ok(), json!({ "Key": "b/new" }));
    assert_eq!(api.value("select owner_id from storage.objects where name = 'new'").await, USER);
    // The token decides whether to replace, not who holds it.
    api.send(put(url, "two")).await.refused("409", "KeyAlreadyExists", "The resource already exists");
    api.allow("objects", &["select", "insert", "update"], "true").await;
    let replacing = api.send(sign("new").insert_header(("x-upsert", "true"))).await.ok();
    api.send(put(replacing["url"].as_str().unwrap(), "three")).await.ok();
    assert_eq!(api.get("/object/b/new", &api.service()).await.bytes, b"three");
    api.clock.advance(Duration::from_secs(7201));
    let late = api.send(put(replacing["url"].as_str().unwrap(), "four")).await;
    late.refused("400", "InvalidJWT", "\"exp\" claim timestamp check failed");
    api.is_consistent().await;
}
