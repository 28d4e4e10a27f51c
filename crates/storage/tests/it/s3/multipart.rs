//! Uploads in parts.

use actix_web::http::Method;
use serde_json::json;
use storage::{Config, S3};

use super::client::{Client, Request};
use crate::harness::{Api, OTHER, USER};

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    (api, client)
}

async fn begin(api: &Api, client: &Client, path: &str) -> String {
    client.post(api, &format!("{path}?uploads"), "").await.done(200).element("UploadId")
}

async fn part(api: &Api, client: &Client, path: &str, id: &str, number: u32, body: &str) -> String {
    let path = format!("{path}?partNumber={number}&uploadId={id}");
    client.put(api, &path, body).await.done(200).header("etag").to_owned()
}

fn list(parts: &[(u32, &str)]) -> String {
    let parts = parts.iter();
    let parts: String = parts
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[actix_web::test]
async fn parts_become_an_object() {
    let (api, client) = start().await;
    let begun = Request::new(Method::POST, "/b/big?uploads")
        .header("content-type", "text/csv")
        .header("x-amz-meta-x", "1");
    let id = client.send(&api, begun).await.done(200).element("UploadId");
    let second = part(&api, &client, "/b/big", &id, 2, "world").await;
    part(&api, &client, "/b/big", &id, 1, "first try").await;
    let first = part(&api, &client, "/b/big", &id, 1, "hello ").await;
    let told = client.get(&api, &format!("/b/big?uploadId={id}&max-parts=1")).await.done(200);
    assert_eq!(
        (told.elements("Size"), told.element("IsTruncated"), told.element("NextPartNumberMarker")),
        (vec!["6".into()], "true".into(), "1".into())
    );
    let listed = client.get(&api, "/b?uploads").await.done(200);
    assert_eq!((listed.elements("UploadId"), listed.elements("Key")), (vec![id.clone()], vec!["big".into()]));
    client.head(&api, "/b/big").await.done(404);
    let body = list(&[(1, &first), (2, &second)]);
    let done = client.post(&api, &format!("/b/big?uploadId={id}"), &body).await.done(200);
    let etag = done.element("ETag");
    assert!(etag.ends_with("-2&quot;"), "{etag}");
    let again = client.post(&api, &format!("/b/big?uploadId={id}"), &body).await.done(200);
    assert_eq!(again.element("ETag"), etag);
    let told = client.get(&api, "/b/big").await.done(200);
    assert_eq!(
        (told.text().as_str(), told.header("content-type"), told.header("x-amz-meta-x")),
        ("hello world", "text/csv", "1")
    );
    assert!(client.get(&api, "/b?uploads").await.elements("UploadId").is_empty());
    let second = client.get(&api, "/b/big?partNumber=2").await.done(206);
    assert_eq!((second.text().as_str(), second.header("x-amz-mp-parts-count")), ("world", "2"));
    assert_eq!(client.head(&api, "/b/big?partNumber=1").await.done(206).header("content-length"), "6");
    client.get(&api, "/b/big?partNumber=3").await.fails(400, "InvalidPart");
    api.is_consistent().await;
    // Its parts are what a later look is compared with.
    let problems = async || api.post("/scrub", &api.service(), json!({})).await.ok()["problems"].clone();
    assert_eq!(problems().await, json!([]));
    let file = api.files().await.pop().unwrap();
    api.place(&file, b"hello w0rld").await;
    assert_eq!(problems().await[0]["problem"], "the file has another content");
}

#[actix_web::test]
async fn what_does_not_fit_is_refused_and_the_upload_goes_on() {
    let (api, client) = start().await;
    let id = begin(&api, &client, "/b/k").await;
    let etag = part(&api, &client, "/b/k", &id, 1, "hello").await;
    let path = format!("/b/k?uploadId={id}");
    client.post(&api, &path, &list(&[(1, "\"x\"")])).await.fails(400, "InvalidPart");
    client.post(&api, &path, &list(&[(2, &etag)])).await.fails(400, "InvalidPart");
    client.post(&api, &path, &list(&[(2, &etag), (1, &etag)])).await.fails(400, "InvalidPartOrder");
    client.post(&api, &path, &list(&[])).await.fails(400, "MalformedXML");
    client
        .post(
            &api,
            &path,
            "<!DOCTYPE a [<!ENTITY b \"c\">]><CompleteMultipartUpload>&b;</CompleteMultipartUpload>",
        )
        .await
        .fails(400, "MalformedXML");
    for number in ["0", "10001", "x"] {
        client
            .put(&api, &format!("/b/k?partNumber={number}&uploadId={id}"), "x")
            .await
            .fails(400, "InvalidArgument");
    }
    client.put(&api, &format!("/b/other?partNumber=1&uploadId={id}"), "x").await.fails(404, "NoSuchUpload");
    client.put(&api, "/b/k?partNumber=1&uploadId=../../x", "x").await.fails(404, "NoSuchUpload");
    let wrong = Request::new(Method::PUT, &format!("/b/k?partNumber=1&uploadId={id}"))
        .body("x")
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    client.send(&api, wrong).await.fails(400, "BadDigest");
    client.post(&api, &path, &list(&[(1, &etag)])).await.done(200);
    assert_eq!(client.get(&api, "/b/k").await.text(), "hello");
    api.is_consistent().await;
}

#[actix_web::test]
async fn parts_can_be_copied() {
    let (api, client) = start().await;
    client.put(&api, "/b/source", "0123456789").await.done(200);
    let id = begin(&api, &client, "/b/k").await;
    let copy = |number: u32, range: &str| {
        Request::new(Method::PUT, &format!("/b/k?partNumber={number}&uploadId={id}"))
            .header("x-amz-copy-source", "b/source")
            .header("x-amz-copy-source-range", range)
    };
    let first = client.send(&api, copy(1, "bytes=5-9")).await.done(200).element("ETag");
    let second = client.send(&api, copy(2, "bytes=0-1")).await.done(200).element("ETag");
    client.send(&api, copy(3, "bytes=0-10")).await.fails(416, "InvalidRange");
    client.send(&api, copy(3, "bytes=5-")).await.fails(400, "InvalidArgument");
    client.post(&api, &format!("/b/k?uploadId={id}"), &list(&[(1, &first), (2, &second)])).await.done(200);
    assert_eq!(client.get(&api, "/b/k").await.text(), "5678901");
    api.is_consistent().await;
}

#[actix_web::test]
async fn what_is_given_up_leaves_nothing() {
    let (api, client) = start().await;
    let id = begin(&api, &client, "/b/k").await;
    part(&api, &client, "/b/k", &id, 1, "hello").await;
    assert_eq!(api.files().await.len(), 1);
    client.delete(&api, &format!("/b/k?uploadId={id}")).await.done(204);
    client.delete(&api, &format!("/b/k?uploadId={id}")).await.fails(404, "NoSuchUpload");
    assert!(api.files().await.is_empty());
    // A bucket takes its uploads with it.
    let id = begin(&api, &client, "/b/k").await;
    part(&api, &client, "/b/k", &id, 1, "hello").await;
    client.delete(&api, "/b").await.done(204);
    assert!(api.files().await.is_empty());
}

#[actix_web::test]
async fn uploads_end_when_nobody_goes_on() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    let old = begin(&api, &client, "/b/old").await;
    part(&api, &client, "/b/old", &old, 1, "x").await;
    let young = begin(&api, &client, "/b/young").await;
    part(&api, &client, "/b/young", &young, 1, "x").await;
    api.sql("update storage.s3_multipart_uploads set created_at = now() - interval '25 hours'").await;
    let aged = format!(
        "update storage.s3_multipart_uploads_parts set created_at = now() - interval '25 hours' where upload_id = '{old}'"
    );
    api.sql(&aged).await;
    assert_eq!(api.storage.end_abandoned_uploads().await.unwrap(), 1);
    let left = client.get(&api, "/b?uploads").await.elements("UploadId");
    assert_eq!((left, api.files().await.len()), (vec![young], 1));
}

#[actix_web::test]
async fn parts_have_a_least_size_if_wanted_and_the_whole_a_most() {
    let s3 = S3 { minimum_part_size: kernel::units::Bytes(3), ..S3::default() };
    let api = Api::with(Config { s3, ..Config::default() }).await;
    api.bucket("b", json!({ "file_size_limit": 10 })).await;
    let client = Client::service(&api);
    let id = begin(&api, &client, "/b/k").await;
    let small = part(&api, &client, "/b/k", &id, 1, "12").await;
    let last = part(&api, &client, "/b/k", &id, 2, "1").await;
    client
        .post(&api, &format!("/b/k?uploadId={id}"), &list(&[(1, &small), (2, &last)]))
        .await
        .fails(400, "EntityTooSmall");
    client
        .put(&api, &format!("/b/k?partNumber=3&uploadId={id}"), "12345678")
        .await
        .fails(413, "EntityTooLarge");
    client
        .put(&api, &format!("/b/k?partNumber=3&uploadId={id}"), "12345678901")
        .await
        .fails(413, "EntityTooLarge");
    let large = part(&api, &client, "/b/k", &id, 1, "123456789").await;
    client.post(&api, &format!("/b/k?uploadId={id}"), &list(&[(1, &large), (2, &last)])).await.done(200);
    api.is_consistent().await;
}

#[actix_web::test]
async fn nobody_has_a_hand_in_the_upload_of_another() {
    let (api, service) = start().await;
    api.allow("objects", &["select", "insert", "update", "delete"], "true").await;
    api.allow("buckets", &["select"], "true").await;
    let user = Client::user(&api, api.user(USER));
    let other = Client::user(&api, api.user(OTHER));
    let id = begin(&api, &user, "/b/k").await;
    let etag = part(&api, &user, "/b/k", &id, 1, "mine").await;
    let path = format!("/b/k?uploadId={id}");
    other.put(&api, &format!("/b/k?partNumber=1&uploadId={id}"), "theirs").await.fails(404, "NoSuchUpload");
    other.get(&api, &path).await.fails(404, "NoSuchUpload");
    other.post(&api, &path, &list(&[(1, &etag)])).await.fails(404, "NoSuchUpload");
    other.delete(&api, &path).await.fails(404, "NoSuchUpload");
    assert!(other.get(&api, "/b?uploads").await.done(200).elements("UploadId").is_empty());
    assert_eq!(user.get(&api, "/b?uploads").await.elements("UploadId"), std::slice::from_ref(&id));
    assert_eq!(service.get(&api, "/b?uploads").await.elements("UploadId"), std::slice::from_ref(&id));
    // What the policies took away meanwhile is not there at the end.
    api.allow("objects", &["select"], "true").await;
    user.post(&api, &path, &list(&[(1, &etag)])).await.fails(403, "AccessDenied");
    api.allow("objects", &["select", "insert"], "true").await;
    user.post(&api, &path, &list(&[(1, &etag)])).await.done(200);
    other.post(&api, &path, &list(&[(1, &etag)])).await.fails(404, "NoSuchUpload");
    assert_eq!(api.value("select owner_id from storage.objects").await, USER);
    api.is_consistent().await;
}
