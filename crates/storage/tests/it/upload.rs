//! Uploads, and what is told of them.

use actix_web::http::Method;
use serde_json::{Value, json};
use storage::Config;

use crate::harness::{Api, OTHER, USER, request, upload};

#[actix_web::test]
async fn what_is_uploaded_is_kept_with_all_that_is_known_of_it() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    let upload = upload("b/dir/a.txt", &service, "hello")
        .insert_header(("cache-control", "max-age=60"))
        .insert_header(("x-metadata", "eyJrIjoidiJ9"));
    let answer = api.send(upload).await.ok();
    assert_eq!(answer["Key"], "b/dir/a.txt");
    let row = api.value("select metadata::text from storage.objects").await;
    let row: Value =
        serde_json::from_str(&row.replace("\"\"", "\"").replace("\\\\", "\\")).unwrap_or(json!(row));
    let info = api.get("/object/info/b/dir/a.txt", &service).await.ok();
    assert_eq!(info["id"], answer["Id"]);
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(info["etag"], etag, "{row}");
    assert_eq!((&info["size"], &info["content_type"]), (&json!(5), &json!("text/plain")));
    assert_eq!((&info["cache_control"], &info["metadata"]), (&json!("max-age=60"), &json!({ "k": "v" })));
    assert_eq!((&info["name"], &info["bucket_id"]), (&json!("dir/a.txt"), &json!("b")));
    assert!(info.get("updated_at").is_none() && info["last_modified"].as_str().unwrap().ends_with('Z'));
    let version = info["version"].as_str().unwrap();
    assert_eq!(api.files().await, [format!("stub/stub/b/dir/a.txt/{version}")]);
    let keys = "select string_agg(k, ' ' order by k) from storage.objects, jsonb_object_keys(metadata) k";
    assert_eq!(
        api.value(keys).await,
        "cacheControl contentLength eTag httpStatusCode lastModified mimetype size"
    );
}

#[actix_web::test]
async fn a_second_upload_needs_to_say_that_it_replaces() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    let first = api.upload("b/a", &service, "one").await.ok();
    let exists = "The resource already exists";
    api.upload("b/a", &service, "two").await.refused("409", "KeyAlreadyExists", exists);
    let second = api.send(upload("b/a", &service, "two").insert_header(("x-upsert", "true"))).await.ok();
    assert_eq!(first["Id"], second["Id"]);
    let put = upload("b/a", &service, "three").method(Method::PUT);
    api.send(put).await.ok();
    let put = upload("b/new", &service, "x").method(Method::PUT);
    api.send(put).await.ok();
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"three");
    // Old versions are there until their time has come.
    assert_eq!(api.files().await.len(), 4);
    api.is_consistent().await;
    assert_eq!(api.files().await.len(), 2);
}

#[actix_web::test]
async fn owners_are_those_who_upload() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    api.allow("objects", &["select", "insert", "update"], "true").await;
    let owners = "select coalesce(owner::text, '-') || ' ' || coalesce(owner_id, '-') from storage.objects";
    let upsert = |token: &str| upload("b/a", token, "x").insert_header(("x-upsert", "true"));
    api.send(upsert(&service)).await.ok();
    assert_eq!(api.value(owners).await, "- -");
    api.send(upsert(&api.user(USER))).await.ok();
    assert_eq!(api.value(owners).await, format!("{USER} {USER}"));
    api.send(upsert(&api.user(OTHER))).await.ok();
    assert_eq!(api.value(owners).await, format!("{OTHER} {OTHER}"));
    api.send(upsert(&service)).await.ok();
    assert_eq!(api.value(owners).await, format!("{OTHER} {OTHER}"));
    api.upload("b/c", &api.user("auth0|7"), "x").await.ok();
    let other = "select coalesce(owner::text, '-') || ' ' || owner_id from storage.objects where name = 'c'";
    assert_eq!(api.value(other).await, "- auth0|7");
}

#[actix_web::test]
async fn buckets_limit_what_is_put_into_them() {
    let api = Api::with(Config { file_size_limit: kernel::units::Bytes(100), ..Config::default() }).await;
    let service = api.service();
    api.bucket("small", json!({ "file_size_limit": 4 })).await;
    api.bucket("any", json!({})).await;
    api.bucket("pictures", json!({ "allowed_mime_types": ["image/*", "text/plain"] })).await;
    let large = "The object exceeded the maximum allowed size";
    api.upload("small/a", &service, "1234").await.ok();
    api.upload("small/b", &service, "12345").await.refused("413", "EntityTooLarge", large);
    api.upload("any/b", &service, &"x".repeat(101)).await.refused("413", "EntityTooLarge", large);
    // Of unknown length: counted as it comes.
    let chunked = request(Method::POST, "/object/small/c", &service).set_payload("12345");
    api.send(chunked).await.refused("413", "EntityTooLarge", large);
    let kind =
        |kind: &str| upload("pictures/a", &service, "x").insert_header(("content-type", kind.to_owned()));
    api.send(kind("video/mp4")).await.refused(
        "415",
        "InvalidMimeType",
        "mime type video/mp4 is not supported",
    );
    api.send(kind("image")).await.refused("415", "InvalidMimeType", "Invalid Content-Type header");
    api.send(kind("text/plain;charset=UTF-8")).await.ok();
    // An empty folder is neither large nor of a kind.
    let folder = |content: &str| {
        upload("pictures/dir/.emptyFolderPlaceholder", &service, content)
            .insert_header(("content-type", "video/mp4"))
    };
    api.send(folder("x")).await.refused("413", "EntityTooLarge", large);
    api.send(folder("")).await.ok();
    assert_eq!(api.files().await.len(), 3);
}

#[actix_web::test]
async fn the_size_is_that_of_what_came() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({ "public": true })).await;
    for size in [0_usize, 1, 300_000, 2_000_000] {
        let content = "x".repeat(size);
        api.upload(&format!("b/{size}"), &service, &content).await.ok();
        let answer = api.get(&format!("/object/public/b/{size}"), "").await;
        assert_eq!((answer.status, answer.bytes.len()), (200, size));
        let info = api.get(&format!("/object/info/b/{size}"), &service).await.ok();
        assert_eq!(info["size"], size);
    }
}

#[actix_web::test]
async fn who_comes_without_a_token_is_told_why() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.upload("b/a", "", "x").await.refused(
        "400",
        "InvalidRequest",
        "headers must have required property 'authorization'",
    );
    let sdk = upload("b/a", "", "x").insert_header(("x-client-info", "storage-js/2"));
    api.send(sdk).await.refused("403", "AccessDenied", "Invalid Compact JWS");
    api.upload("b/a", "x.y", "x").await.refused("403", "AccessDenied", "Invalid Compact JWS");
    let expired = api.token(json!({ "role": "service_role", "exp": 1 }));
    api.upload("b/a", &expired, "x").await.refused(
        "403",
        "AccessDenied",
        "\"exp\" claim timestamp check failed",
    );
    let forged = jwt::KeySet::from_secret("another secret of at least 32 bytes!!");
    let claims = serde_json::from_value(json!({ "role": "service_role", "exp": 4_102_444_800_i64 })).unwrap();
    let forged = forged.sign(&claims).unwrap();
    api.upload("b/a", &forged, "x").await.refused("403", "AccessDenied", "signature verification failed");
    let nobody = api.token(json!({ "role": "no_such_role" }));
    assert_eq!(api.upload("b/a", &nobody, "x").await.error(), (400, "403", "AccessDenied"));
    let admin = api.token(json!({ "role": "supabase_admin" }));
    assert_eq!(api.upload("b/a", &admin, "x").await.error(), (400, "403", "AccessDenied"));
    assert_eq!(api.files().await, Vec::<String>::new());
}

#[actix_web::test]
async fn other_paths_are_told_as_such() {
    let api = Api::start().await;
    let answer = api.get("/object", "").await;
    assert_eq!(
        (answer.error(), answer.body["message"].as_str()),
        ((404, "404", "InvalidRequest"), Some("Route GET:/object not found"))
    );
    let answer = api.get("/nope", "").await;
    assert_eq!((answer.status, answer.body["statusCode"].as_u64()), (404, Some(404)));
    assert_eq!(api.get("/status", "").await.status, 200);
    assert_eq!(api.get("/health", &api.service()).await.ok(), json!({ "healthy": true }));
    assert_eq!(api.get("/version", "").await.status, 200);
}
