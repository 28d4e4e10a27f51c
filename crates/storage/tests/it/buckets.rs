//! `/bucket`

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, USER, request};

#[actix_web::test]
async fn a_bucket_is_made_read_changed_and_deleted() {
    let api = Api::start().await;
    let service = api.service();
    let made = api
        .post("/bucket", &service, json!({ "name": "a", "public": true, "file_size_limit": "1.5MB", "allowed_mime_types": ["image/*", ""] }))
        .await;
    assert_eq!(made.ok(), json!({ "name": "a" }));
    let mut bucket = api.get("/bucket/a", &service).await.ok();
    assert!(bucket["created_at"].as_str().unwrap().ends_with('Z'));
    let (created, updated) = (bucket["created_at"].take(), bucket["updated_at"].take());
    assert_eq!(created, updated);
    let expected = json!({
        "id": "a", "name": "a", "owner": "", "public": true, "file_size_limit": 1_500_000,
        "allowed_mime_types": ["image/*"], "created_at": null, "updated_at": null,
    });
    assert_eq!(bucket, expected);

    // What is absent stays, null clears.
    let told =
        api.put("/bucket/a", &service, json!({ "id": "x", "name": "y", "file_size_limit": null })).await;
    assert_eq!(told.ok(), json!({ "message": "Successfully updated" }));
    let bucket = api.get("/bucket/a", &service).await.ok();
    assert_eq!((&bucket["public"], &bucket["file_size_limit"]), (&json!(true), &Value::Null));
    assert_eq!(bucket["allowed_mime_types"], json!(["image/*"]));
    assert_eq!(bucket["updated_at"], updated);

    let told = api.delete("/bucket/a", &service).await;
    assert_eq!(told.ok(), json!({ "message": "Successfully deleted" }));
    api.get("/bucket/a", &service).await.refused("404", "NoSuchBucket", "Bucket not found");
    api.delete("/bucket/a", &service).await.refused("404", "NoSuchBucket", "Bucket not found");
    api.put("/bucket/a", &service, json!({ "public": true })).await.refused(
        "404",
        "NoSuchBucket",
        "Bucket not found",
    );
}

#[actix_web::test]
async fn what_makes_no_bucket_is_told() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("a", json!({})).await;
    let check = async |body: Value, status: &str, code: &str, message: &str| {
        api.post("/bucket", &service, body).await.refused(status, code, message);
    };
    check(json!({ "name": "a" }), "409", "BucketAlreadyExists", "The resource already exists").await;
    check(json!({ "name": " a" }), "400", "InvalidBucketName", "Bucket name invalid").await;
    check(json!({ "name": "a/b" }), "400", "InvalidBucketName", "Bucket name invalid").await;
    check(json!({ "name": "b", "id": ".." }), "400", "InvalidBucketName", "Bucket name invalid").await;
    check(json!({}), "400", "InvalidRequest", "body must have required property 'name'").await;
    check(json!([]), "400", "InvalidRequest", "body must be object").await;
    check(
        json!({ "name": "b", "public": "perhaps" }),
        "400",
        "InvalidRequest",
        "body/public must be boolean",
    )
    .await;
    let large = "The object exceeded the maximum allowed size";
    check(json!({ "name": "b", "file_size_limit": "20gb" }), "413", "EntityTooLarge", large).await;
    let types = json!({ "name": "b", "allowed_mime_types": ["image"] });
    check(types, "415", "InvalidMimeType", "mime type image is not supported").await;
    let kind = json!({ "name": "b", "type": "ANALYTICS" });
    check(kind, "409", "FeatureNotEnabled", "The feature iceberg_catalog is not enabled for this resource")
        .await;
    let answer = api.post("/bucket", &service, json!({ "name": "b", "file_size_limit": "10 apples" })).await;
    assert!(answer.body["message"].as_str().unwrap().starts_with("body/file_size_limit must be integer"));
    let raw = request(Method::POST, "/bucket", &service).insert_header(("content-type", "application/json"));
    let answer = api.send(raw.set_payload("{")).await;
    assert_eq!(
        (answer.error(), answer.body["error"].as_str()),
        ((400, "400", "InvalidRequest"), Some("FastifyError"))
    );
    assert_eq!(api.get("/bucket", &service).await.ok().as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn lists_are_sorted_searched_and_cut() {
    let api = Api::start().await;
    let service = api.service();
    for name in ["beta", "alpha", "Al_pha", "gamma"] {
        api.bucket(name, json!({})).await;
    }
    let names = async |query: &str| {
        let list = api.get(&format!("/bucket?{query}"), &service).await.ok();
        let names = list.as_array().unwrap().iter().map(|bucket| bucket["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("sortColumn=created_at").await, "beta alpha Al_pha gamma");
    assert_eq!(names("sortColumn=created_at&sortOrder=desc&limit=2&offset=1").await, "Al_pha alpha");
    assert_eq!(names("search=A_P&sortColumn=name").await, "");
    assert_eq!(names("search=aL_").await, "Al_pha");
    let answer = api.get("/bucket?limit=0", &service).await;
    answer.refused("400", "InvalidRequest", "querystring/limit must be >= 1");
    let list = api.get("/bucket", &service).await.ok();
    assert_eq!(list[0]["type"], "STANDARD");
    let old =
        request(Method::GET, "/bucket", &service).insert_header(("x-client-info", "supabase-py/2.17.3"));
    assert_eq!(api.send(old).await.ok()[0].get("type"), None);
}

#[actix_web::test]
async fn only_empty_buckets_go_and_only_the_service_empties_them() {
    let api = Api::start().await;
    let (service, user) = (api.service(), api.user(USER));
    api.bucket("a", json!({})).await;
    for n in 0..3 {
        api.upload(&format!("a/dir/{n}"), &service, "x").await.ok();
    }
    let message = "The bucket you tried to delete is not empty";
    api.delete("/bucket/a", &service).await.refused("409", "ResourceNotEmpty", message);
    let refused = api.post("/bucket/a/empty", &user, json!({})).await;
    assert_eq!(refused.error(), (403, "403", "AccessDenied"));
    assert_eq!(refused.body["message"], "Access denied: Invalid role");
    let raw = request(Method::POST, "/bucket/a/empty", &service)
        .insert_header(("content-type", "application/json"));
    assert!(
        api.send(raw).await.ok()["message"].as_str().unwrap().starts_with("Empty bucket has been queued")
    );
    assert_eq!(api.files().await.len(), 3);
    api.delete("/bucket/a", &service).await.ok();
    api.is_consistent().await;
    api.post("/bucket/a/empty", &service, json!({})).await.refused("404", "NoSuchBucket", "Bucket not found");
}

#[actix_web::test]
async fn a_bucket_of_somebody_has_an_owner() {
    let api = Api::start().await;
    api.allow("buckets", &["insert"], "owner_id = auth.uid()::text").await;
    api.post("/bucket", &api.user(USER), json!({ "name": "mine" })).await.ok();
    let bucket = api.get("/bucket/mine", &api.service()).await.ok();
    assert_eq!(bucket["owner"], USER);
    // What is not for him to see does not exist for him.
    api.get("/bucket/mine", &api.user(USER)).await.refused("404", "NoSuchBucket", "Bucket not found");
    let denied = api.upload("mine/a", &api.user(USER), "x").await;
    denied.refused("403", "AccessDenied", "new row violates row-level security policy");
}
