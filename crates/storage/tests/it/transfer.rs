//! Moving, copying, deleting.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, USER, request, upload};

async fn with_object() -> Api {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.bucket("c", json!({ "file_size_limit": 100 })).await;
    let upload = upload("b/a.txt", &api.service(), "content").insert_header(("x-metadata", "eyJrIjoidiJ9"));
    api.send(upload).await.ok();
    api
}

fn way(from: &str, to: &str) -> Value {
    json!({ "bucketId": "b", "sourceKey": from, "destinationKey": to })
}

#[actix_web::test]
async fn an_object_moves_and_stays_what_it_is() {
    let api = with_object().await;
    let service = api.service();
    let before = api.get("/object/info/b/a.txt", &service).await.ok();
    let told = api.post("/object/move", &service, way("a.txt", "dir/b.txt")).await.ok();
    assert_eq!(told, json!({ "message": "Successfully moved" }));
    api.get("/object/b/a.txt", &service).await.refused("404", "NoSuchKey", "Object not found");
    let after = api.get("/object/info/b/dir/b.txt", &service).await.ok();
    for same in ["id", "created_at", "etag", "size", "metadata", "content_type"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["version"], after["version"]);
    assert_eq!(api.get("/object/b/dir/b.txt", &service).await.bytes, b"content");
    let mut other = way("dir/b.txt", "x");
    other["destinationBucket"] = "c".into();
    api.post("/object/move", &service, other).await.ok();
    assert_eq!(api.get("/object/c/x", &service).await.bytes, b"content");
    api.is_consistent().await;
    assert_eq!(api.get("/object/c/x", &service).await.bytes, b"content");
}

#[actix_web::test]
async fn what_cannot_move_stays() {
    let api = with_object().await;
    let service = api.service();
    api.upload("b/other", &service, "other").await.ok();
    let go = async |way: Value| api.post("/object/move", &service, way).await;
    go(way("none", "x")).await.refused("404", "NoSuchKey", "Object not found");
    go(way("a.txt", "other")).await.refused("409", "ResourceAlreadyExists", "The resource already exists");
    go(way("a.txt", "../x")).await.refused("400", "InvalidKey", "Invalid key: ../x");
    go(json!({ "sourceKey": "a" })).await.refused(
        "400",
        "InvalidRequest",
        "body must have required property 'bucketId'",
    );
    let mut nowhere = way("a.txt", "x");
    nowhere["destinationBucket"] = "none".into();
    go(nowhere).await.refused("404", "InvalidRequest", "The related resource does not exist");
    go(way("a.txt", "a.txt")).await.ok();
    assert_eq!(api.get("/object/b/a.txt", &service).await.bytes, b"content");
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_copy_is_the_caller_s() {
    let api = with_object().await;
    api.allow("objects", &["select", "insert"], "true").await;
    let user = api.user(USER);
    let copy = api.post("/object/copy", &user, way("a.txt", "copy.txt")).await.ok();
    assert_eq!((&copy["Key"], &copy["Id"]), (&json!("b/copy.txt"), &copy["id"]));
    assert_eq!(
        (&copy["owner"], &copy["owner_id"], &copy["name"]),
        (&json!(USER), &json!(USER), &json!("copy.txt"))
    );
    assert_eq!(copy["user_metadata"], json!({ "k": "v" }));
    assert_eq!(copy["metadata"]["mimetype"], "text/plain");
    // Independent of its source.
    api.delete("/object/b/a.txt", &api.service()).await.ok();
    api.is_consistent().await;
    assert_eq!(api.get("/object/b/copy.txt", &user).await.bytes, b"content");
    let exists = api.post("/object/copy", &user, way("copy.txt", "copy.txt")).await;
    exists.refused("409", "KeyAlreadyExists", "The resource already exists");
    api.post("/object/copy", &user, way("none", "x")).await.refused("404", "NoSuchKey", "Object not found");
    let mut nowhere = way("copy.txt", "x");
    nowhere["destinationBucket"] = "none".into();
    let nowhere = api.post("/object/copy", &user, nowhere).await;
    nowhere.refused("404", "InvalidRequest", "The related resource does not exist");
}

#[actix_web::test]
async fn a_copy_may_have_metadata_of_its_own() {
    let api = with_object().await;
    let service = api.service();
    let mut body = way("a.txt", "b.txt");
    body["copyMetadata"] = false.into();
    body["metadata"] = json!({ "mimetype": "text/css" });
    let copy = |body: &Value| request(Method::POST, "/object/copy", &service).set_json(body);
    let row = api.send(copy(&body).insert_header(("x-metadata", "eyJuIjoxfQ"))).await.ok();
    assert_eq!(
        (&row["metadata"]["mimetype"], &row["metadata"]["cacheControl"]),
        (&json!("text/css"), &json!("no-cache"))
    );
    assert_eq!((&row["user_metadata"], &row["owner"]), (&json!({ "n": 1 }), &json!("")));
    let row = api.send(copy(&body).insert_header(("x-upsert", "true"))).await.ok();
    assert_eq!(row["user_metadata"], Value::Null);
    // The rules of the bucket bind copies, too.
    api.upload("b/large", &service, &"x".repeat(101)).await.ok();
    let mut large = way("large", "x");
    large["destinationBucket"] = "c".into();
    let large = api.send(copy(&large)).await;
    large.refused("413", "EntityTooLarge", "The object exceeded the maximum allowed size");
    api.is_consistent().await;
}

#[actix_web::test]
async fn deleting() {
    let api = with_object().await;
    let (service, user) = (api.service(), api.user(USER));
    api.delete("/object/b/none", &service).await.refused("404", "NoSuchKey", "Object not found");
    api.delete("/object/b/a.txt", &user).await.refused("403", "AccessDenied", "Access denied");
    for n in 0..5 {
        api.upload(&format!("b/{n}"), &service, "x").await.ok();
    }
    api.allow("objects", &["select", "delete"], "name in ('1', '3', 'a.txt')").await;
    let many = async |token: &str, names: Value| {
        let request = request(Method::DELETE, "/object/b", token).set_json(json!({ "prefixes": names }));
        api.send(request).await
    };
    let gone = many(&user, json!(["1", "2", "3", "none", "quo\"te\\"])).await.ok();
    let mut names: Vec<&str> =
        gone.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["1", "3"]);
    assert_eq!((&gone[0]["bucket_id"], &gone[0]["metadata"]["size"]), (&json!("b"), &json!(1)));
    assert_eq!(api.delete("/object/b/a.txt", &user).await.ok(), json!({ "message": "Successfully deleted" }));
    let none = many(&user, json!([])).await;
    none.refused("400", "InvalidRequest", "body/prefixes must NOT have fewer than 1 items");
    assert_eq!(api.value("select string_agg(name, ' ' order by name) from storage.objects").await, "0 2 4");
    assert_eq!(api.files().await.len(), 6);
    api.is_consistent().await;
    let names: Vec<String> = (0..1200).map(|n| format!("none{n}")).chain(["0".to_owned()]).collect();
    assert_eq!(many(&service, json!(names)).await.ok().as_array().unwrap().len(), 1);
}
