//! Buckets and objects.

use actix_web::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::client::{Client, Request};
use crate::harness::Api;

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    (api, client)
}

#[actix_web::test]
async fn buckets_come_and_go() {
    let (api, client) = start().await;
    client.put(&api, "/new", "").await.done(200);
    client.put(&api, "/new", "").await.fails(409, "BucketAlreadyOwnedByYou");
    client.head(&api, "/new").await.done(200);
    client.head(&api, "/other").await.done(404);
    let listed = client.get(&api, "/").await.done(200);
    assert_eq!(listed.elements("Name"), ["b", "new"]);
    assert_eq!(client.get(&api, "/new?location").await.done(200).text().matches(">local</").count(), 1);
    assert!(client.get(&api, "/new?versioning").await.done(200).text().contains("VersioningConfiguration"));
    client.put(&api, "/new/a", "x").await.done(200);
    client.delete(&api, "/new").await.fails(409, "BucketNotEmpty");
    client.delete(&api, "/new/a").await.done(204);
    client.delete(&api, "/new").await.done(204);
    client.delete(&api, "/new").await.fails(404, "NoSuchBucket");
    client.put(&api, "/a%23b", "").await.fails(400, "InvalidBucketName");
    let public = Request::new(Method::PUT, "/open").header("x-amz-acl", "public-read");
    client.send(&api, public).await.done(200);
    assert_eq!(api.value("select public from storage.buckets where id = 'open'").await, "t");
}

#[actix_web::test]
async fn an_object_is_told_as_it_was_put() {
    let (api, client) = start().await;
    let put = Request::new(Method::PUT, "/b/dir/a b+c.txt")
        .body("hello")
        .header("content-type", "text/csv")
        .header("cache-control", "max-age=5")
        .header("content-disposition", "attachment; filename=x")
        .header("content-encoding", "aws-chunked,gzip")
        .header("content-language", "de")
        .header("x-amz-meta-colour", "blue")
        .header("x-amz-tagging", "a=1&b=2%203")
        .header("content-md5", &STANDARD.encode(hex::decode("5d41402abc4b2a76b9719d911017c592").unwrap()))
        .header("x-amz-checksum-crc32", "NhCmhg==");
    let answer = client.send(&api, put).await.done(200);
    assert_eq!(answer.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(answer.header("x-amz-checksum-crc32"), "NhCmhg==");
    for method in [Method::GET, Method::HEAD] {
        let asked = Request::new(method.clone(), "/b/dir/a b+c.txt").header("x-amz-checksum-mode", "ENABLED");
        let told = client.send(&api, asked).await.done(200);
        for (name, value) in [
            ("content-length", "5"),
            ("content-type", "text/csv"),
            ("cache-control", "max-age=5"),
            ("content-disposition", "attachment; filename=x"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("x-amz-meta-colour", "blue"),
            ("x-amz-tagging-count", "2"),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("accept-ranges", "bytes"),
        ] {
            // The length of a body that is in memory is added on the way out.
            if name != "content-length" || method == Method::HEAD {
                assert_eq!(told.header(name), value, "{method} {name}");
            }
        }
        assert_eq!(told.text(), if method == Method::GET { "hello" } else { "" });
    }
    let tags = client.get(&api, "/b/dir/a b+c.txt?tagging").await.done(200);
    assert_eq!(
        (tags.elements("Key"), tags.elements("Value")),
        (vec!["a".into(), "b".into()], vec!["1".into(), "2 3".into()])
    );
    let other = "/b/dir/a b+c.txt?response-content-type=text/html&response-content-disposition=inline";
    let told = client.get(&api, other).await.done(200);
    assert_eq!((told.header("content-type"), told.header("content-disposition")), ("text/html", "inline"));
    api.is_consistent().await;
}

#[actix_web::test]
async fn parts_and_conditions() {
    let (api, client) = start().await;
    client.put(&api, "/b/a", "0123456789").await.done(200);
    let etag = client.head(&api, "/b/a").await.header("etag").to_owned();
    let ask = async |name: &str, value: &str| {
        client.send(&api, Request::new(Method::GET, "/b/a").header(name, value)).await
    };
    let part = ask("range", "bytes=2-4").await.done(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("234", "bytes 2-4/10"));
    assert_eq!(ask("range", "bytes=-3").await.done(206).text(), "789");
    ask("range", "bytes=10-").await.fails(416, "InvalidRange");
    ask("if-match", &etag).await.done(200);
    ask("if-match", "\"x\"").await.fails(412, "PreconditionFailed");
    ask("if-none-match", &etag).await.done(304);
    ask("if-modified-since", "Wed, 01 Jan 2098 00:00:00 GMT").await.done(304);
    ask("if-unmodified-since", "Wed, 01 Jan 2020 00:00:00 GMT").await.fails(412, "PreconditionFailed");
}

#[actix_web::test]
async fn writes_that_depend_on_what_is_there() {
    let (api, client) = start().await;
    let put = async |name: &str, value: &str, body: &str| {
        client.send(&api, Request::new(Method::PUT, "/b/a").header(name, value).body(body)).await
    };
    put("if-match", "\"x\"", "0").await.fails(404, "NoSuchKey");
    put("if-none-match", "*", "1").await.done(200);
    put("if-none-match", "*", "2").await.fails(412, "PreconditionFailed");
    let etag = client.head(&api, "/b/a").await.header("etag").to_owned();
    put("if-match", &etag, "3").await.done(200);
    put("if-match", &etag, "4").await.fails(412, "PreconditionFailed");
    put("if-match", "*", "5").await.done(200);
    put("if-none-match", "\"x\"", "6").await.done(200);
    let etag = client.head(&api, "/b/a").await.header("etag").to_owned();
    put("if-none-match", &etag, "7").await.fails(412, "PreconditionFailed");
    assert_eq!(client.get(&api, "/b/a").await.text(), "6");
    api.is_consistent().await;
}

#[actix_web::test]
async fn copies() {
    let (api, client) = start().await;
    api.bucket("c", json!({})).await;
    let put = Request::new(Method::PUT, "/b/a b")
        .body("hello")
        .header("x-amz-meta-x", "1")
        .header("x-amz-tagging", "a=1")
        .header("content-disposition", "inline")
        .header("content-type", "text/csv");
    client.send(&api, put).await.done(200);
    let copy = |to: &str, source: &str| Request::new(Method::PUT, to).header("x-amz-copy-source", source);
    let copied = client.send(&api, copy("/c/x", "/b/a%20b")).await.done(200);
    assert_eq!(copied.element("ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
    let told = client.head(&api, "/c/x").await;
    assert_eq!((told.header("x-amz-meta-x"), told.header("content-type")), ("1", "text/csv"));
    client.send(&api, copy("/b/a b", "b/a%20b")).await.fails(400, "InvalidRequest");
    let replaced =
        copy("/b/a b", "b/a%20b").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-y", "2");
    client.send(&api, replaced).await.done(200);
    let told = client.head(&api, "/b/a b").await;
    assert_eq!((told.header("x-amz-meta-x"), told.header("x-amz-meta-y")), ("", "2"));
    assert_eq!((told.header("content-disposition"), told.header("x-amz-tagging-count")), ("", "1"));
    let replaced = copy("/c/y", "c/x")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-disposition", "attachment")
        .header("x-amz-tagging-directive", "REPLACE");
    client.send(&api, replaced).await.done(200);
    let told = client.head(&api, "/c/y").await;
    assert_eq!((told.header("content-disposition"), told.header("x-amz-tagging-count")), ("attachment", ""));
    client.send(&api, copy("/b/n", "b/none")).await.fails(404, "NoSuchKey");
    client.send(&api, copy("/b/n", "none/none")).await.fails(404, "NoSuchBucket");
    client.send(&api, copy("/none/n", "b/a%20b")).await.fails(404, "NoSuchBucket");
    client.send(&api, copy("/b/n", "b")).await.fails(400, "InvalidArgument");
    let conditional = copy("/b/n", "b/a%20b").header("x-amz-copy-source-if-match", "\"x\"");
    client.send(&api, conditional).await.fails(412, "PreconditionFailed");
    api.is_consistent().await;
}

#[actix_web::test]
async fn what_is_deleted_was_there_or_was_not() {
    let (api, client) = start().await;
    for name in ["a", "b", "c&d"] {
        client.put(&api, &format!("/b/{name}"), "x").await.done(200);
    }
    client.delete(&api, "/b/none").await.done(204);
    client.delete(&api, "/none/none").await.fails(404, "NoSuchBucket");
    let body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object><Object><Key>c&amp;d</Key></Object><Object><Key>none</Key></Object></Delete>";
    let deleted = client.post(&api, "/b?delete", body).await.done(200);
    assert_eq!(deleted.elements("Key"), ["a", "c&amp;d", "none"]);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
    let deleted = client.post(&api, "/b?delete", quiet).await.done(200);
    assert!(deleted.elements("Key").is_empty());
    assert!(client.get(&api, "/b").await.elements("Key").is_empty());
    let many = "<Object><Key>a</Key></Object>".repeat(1001);
    client.post(&api, "/b?delete", &format!("<Delete>{many}</Delete>")).await.fails(400, "MalformedXML");
    client.post(&api, "/b?delete", "<Delete/>").await.fails(400, "MalformedXML");
    api.is_consistent().await;
}

#[actix_web::test]
async fn what_is_to_be_deleted_only_if_it_is_the_same_stays_if_not() {
    let (api, client) = start().await;
    client.put(&api, "/b/a", "x").await.done(200);
    let etag = client.head(&api, "/b/a").await.header("etag").to_owned();
    let delete = async |name: &str, value: &str| {
        client.send(&api, Request::new(Method::DELETE, "/b/a").header(name, value)).await
    };
    delete("if-match", "\"x\"").await.fails(412, "PreconditionFailed");
    delete("x-amz-if-match-size", "2").await.fails(412, "PreconditionFailed");
    let moment = "Wed, 01 Jan 2020 00:00:00 GMT";
    delete("x-amz-if-match-last-modified-time", moment).await.fails(412, "PreconditionFailed");
    let many = "<Delete><Object><Key>a</Key><ETag>x</ETag></Object></Delete>";
    assert_eq!(client.post(&api, "/b?delete", many).await.element("Code"), "PreconditionFailed");
    delete("if-match", &etag).await.done(204);
    delete("if-match", &etag).await.fails(404, "NoSuchKey");
}

#[actix_web::test]
async fn tags_are_changed_and_never_the_object() {
    let (api, client) = start().await;
    client.put(&api, "/b/a", "content").await.done(200);
    let tagging = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    client.put(&api, "/b/a?tagging", tagging).await.done(200);
    assert_eq!(client.get(&api, "/b/a?tagging").await.element("Value"), "v");
    assert_eq!(client.get(&api, "/b/a").await.text(), "content");
    client.delete(&api, "/b/a?tagging").await.done(204);
    assert!(client.get(&api, "/b/a?tagging").await.elements("Value").is_empty());
    assert_eq!(client.get(&api, "/b/a").await.text(), "content");
    client.put(&api, "/b/a?tagging", "<Tagging/>").await.fails(400, "MalformedXML");
    let eleven: String = (0..11).map(|n| format!("<Tag><Key>{n}</Key><Value/></Tag>")).collect();
    let eleven = format!("<Tagging><TagSet>{eleven}</TagSet></Tagging>");
    client.put(&api, "/b/a?tagging", &eleven).await.fails(400, "InvalidTag");
}

#[actix_web::test]
async fn folders_are_placeholders() {
    let (api, client) = start().await;
    client.put(&api, "/b/dir/", "").await.done(200);
    assert_eq!(client.get(&api, "/b").await.elements("Key"), ["dir/.emptyFolderPlaceholder"]);
}

#[actix_web::test]
async fn limits_of_the_bucket_count() {
    let (api, client) = start().await;
    api.bucket("small", json!({ "file_size_limit": 5, "allowed_mime_types": ["text/*"] })).await;
    let put = |name: &str, body: &str, kind: &str| {
        Request::new(Method::PUT, name).body(body).header("content-type", kind)
    };
    client.send(&api, put("/small/a", "12345", "text/plain")).await.done(200);
    client.send(&api, put("/small/a", "123456", "text/plain")).await.fails(413, "EntityTooLarge");
    client.send(&api, put("/small/a", "1", "image/png")).await.fails(415, "InvalidMimeType");
    client.put(&api, "/none/a", "x").await.fails(404, "NoSuchBucket");
    client.get(&api, "/none/a").await.fails(404, "NoSuchBucket");
    client.get(&api, "/b/none").await.fails(404, "NoSuchKey");
    api.is_consistent().await;
}
