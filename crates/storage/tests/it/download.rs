//! Reading objects, and asking about them.

use actix_web::http::Method;
use serde_json::json;

use crate::harness::{Api, USER, request, upload};

async fn with_object() -> Api {
    let api = Api::start().await;
    api.bucket("open", json!({ "public": true })).await;
    api.bucket("closed", json!({})).await;
    let service = api.service();
    for bucket in ["open", "closed"] {
        let upload = upload(&format!("{bucket}/a b.txt"), &service, "0123456789")
            .insert_header(("cache-control", "max-age=60"));
        api.send(upload).await.ok();
    }
    api
}

const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";

#[actix_web::test]
async fn everything_is_told_with_an_object() {
    let api = with_object().await;
    let answer = api.get("/object/public/open/a%20b.txt", "").await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, b"0123456789".as_slice()));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("etag", ETAG),
        ("cache-control", "max-age=60"),
        ("accept-ranges", "bytes"),
        ("x-robots-tag", "none"),
        ("content-disposition", ""),
        ("content-encoding", "identity"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("last-modified").ends_with(" GMT"));
    let head = api.send(request(Method::HEAD, "/object/public/open/a%20b.txt", "")).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for name in ["content-type", "etag", "cache-control", "accept-ranges", "last-modified", "x-robots-tag"] {
        assert_eq!(head.header(name), answer.header(name), "{name}");
    }
    assert_eq!(head.header("content-length"), "10");
}

#[actix_web::test]
async fn who_may_read_what() {
    let api = with_object().await;
    let (service, user) = (api.service(), api.user(USER));
    let status = async |path: &str, token: &str| {
        let answer = api.get(path, token).await;
        if answer.status == 200 { "200".to_owned() } else { answer.error().2.to_owned() }
    };
    for (path, anonymous, signed_in, as_service) in [
        ("/object/public/open/a b.txt", "200", "200", "200"),
        ("/object/open/a b.txt", "200", "200", "200"),
        ("/object/info/public/open/a b.txt", "200", "200", "200"),
        ("/object/info/open/a b.txt", "200", "200", "200"),
        ("/object/authenticated/open/a b.txt", "InvalidRequest", "200", "200"),
        ("/object/public/closed/a b.txt", "NoSuchBucket", "NoSuchBucket", "NoSuchBucket"),
        ("/object/info/public/closed/a b.txt", "NoSuchBucket", "NoSuchBucket", "NoSuchBucket"),
        ("/object/closed/a b.txt", "NoSuchBucket", "NoSuchKey", "200"),
        ("/object/info/closed/a b.txt", "NoSuchBucket", "NoSuchKey", "200"),
        ("/object/authenticated/closed/a b.txt", "InvalidRequest", "NoSuchKey", "200"),
        ("/object/public/open/none", "NoSuchKey", "NoSuchKey", "NoSuchKey"),
        ("/object/public/none/a b.txt", "NoSuchBucket", "NoSuchBucket", "NoSuchBucket"),
    ] {
        assert_eq!(status(path, "").await, anonymous, "anonymous: {path}");
        assert_eq!(status(path, &user).await, signed_in, "signed in: {path}");
        assert_eq!(status(path, &service).await, as_service, "service: {path}");
    }
    // A token that is no good is none where none is needed.
    assert_eq!(status("/object/open/a%20b.txt", "nonsense").await, "200");
    assert_eq!(status("/object/closed/a%20b.txt", "nonsense").await, "NoSuchBucket");
    api.allow("objects", &["select"], "bucket_id = 'closed'").await;
    assert_eq!(status("/object/closed/a%20b.txt", &user).await, "200");
    let missing = api.send(request(Method::HEAD, "/object/closed/none", &service)).await;
    assert_eq!(missing.status, 400);
}

#[actix_web::test]
async fn parts_and_what_has_not_changed() {
    let api = with_object().await;
    let ask = async |name: &'static str, value: &str| {
        let request = request(Method::GET, "/object/public/open/a%20b.txt", "");
        api.send(request.insert_header((name, value.to_owned()))).await
    };
    let part = ask("range", "bytes=2-4").await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, b"234".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(ask("range", "bytes=-3").await.bytes, b"789");
    let beyond = ask("range", "bytes=10-").await;
    assert_eq!(beyond.error(), (416, "416", "InvalidRange"));
    let same = ask("if-none-match", ETAG).await;
    assert_eq!((same.status, same.bytes.len(), same.header("etag")), (304, 0, ETAG));
    let other = ask("if-none-match", "\"x\"").await;
    assert_eq!((other.status, other.header("cache-control")), (200, "max-age=60, stale-while-revalidate=30"));
    assert_eq!(ask("if-modified-since", other.header("last-modified")).await.status, 304);
}

#[actix_web::test]
async fn downloads_have_the_name_that_is_asked_for() {
    let api = with_object().await;
    let disposition = async |query: &str| {
        let path = format!("/object/public/open/a%20b.txt?{query}");
        api.get(&path, "").await.header("content-disposition").to_owned()
    };
    assert_eq!(disposition("download").await, "attachment;");
    assert_eq!(disposition("download=").await, "attachment;");
    assert_eq!(disposition("cacheNonce=1").await, "");
    let name = "attachment; filename=%E2%82%AC%22%0D%0A.txt; filename*=UTF-8''%E2%82%AC%22%0D%0A.txt";
    assert_eq!(disposition("download=%E2%82%AC%22%0D%0A.txt").await, name);
}

#[actix_web::test]
async fn pages_of_others_do_not_run_here() {
    let api = Api::start().await;
    api.bucket("open", json!({ "public": true })).await;
    let page = upload("open/p", &api.service(), "<script>")
        .insert_header(("content-type", "text/html; charset=utf-8"));
    api.send(page).await.ok();
    let answer = api.get("/object/public/open/p", "").await;
    assert_eq!(answer.header("content-type"), "text/plain");
    let robots =
        |tag: &str| upload("open/r", &api.service(), "x").insert_header(("x-robots-tag", tag.to_owned()));
    let bad = api.send(robots("index-me")).await;
    assert_eq!(
        (bad.error(), bad.body["error"].as_str()),
        ((400, "400", "InvalidRequest"), Some("invalid_x_robots_tag"))
    );
    api.send(robots("noindex, nofollow")).await.ok();
    assert_eq!(api.get("/object/public/open/r", "").await.header("x-robots-tag"), "noindex, nofollow");
}

#[actix_web::test]
async fn a_row_without_its_file_is_told_and_not_kept_by_anybody() {
    let api = with_object().await;
    for file in api.files().await {
        api.lose(&file).await;
    }
    let answer = api.get("/object/public/open/a%20b.txt", "").await;
    answer.refused("404", "NoSuchKey", "The resource was not found");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn files_of_the_original_are_read() {
    let api = Api::start().await;
    api.sql(
        "insert into storage.buckets (id, name, public) values ('old', 'old', true);
         insert into storage.objects (bucket_id, name, version, metadata) values
           ('old', 'a/b.txt', null, null),
           ('old', 'c.txt', 'v7', '{\"mimetype\":\"text/css\",\"size\":\"1\",\"cacheControl\":\"max-age=3600\"}')",
    )
    .await;
    api.place("stub/stub/old/a/b.txt", b"first years").await;
    api.place("stub/stub/old/c.txt/v7", b"c").await;
    let old = api.get("/object/public/old/a/b.txt", "").await;
    assert_eq!(
        (old.bytes.as_slice(), old.header("content-type")),
        (b"first years".as_slice(), "application/octet-stream")
    );
    assert!(old.header("etag").starts_with('"') && old.header("cache-control") == "no-cache");
    let newer = api.get("/object/public/old/c.txt", "").await;
    assert_eq!((newer.bytes.as_slice(), newer.header("content-type")), (b"c".as_slice(), "text/css"));
}
