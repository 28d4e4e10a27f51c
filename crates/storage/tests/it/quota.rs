//! How much a bucket holds.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Api, USER, upload};

async fn with_quota(settings: serde_json::Value) -> Api {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.bucket("c", json!({})).await;
    api.put("/bucket/b/settings", &api.service(), settings).await.ok();
    api
}

async fn used(api: &Api, bucket: &str) -> (i64, i64) {
    let told = api.get(&format!("/bucket/{bucket}/settings"), &api.service()).await.ok();
    let counted = format!(
        "select used_bytes || ' ' || used_objects from storage.basalt_bucket_settings where bucket_id = '{bucket}'"
    );
    let (bytes, objects) = (told["used_bytes"].as_i64().unwrap(), told["used_objects"].as_i64().unwrap());
    assert_eq!(api.value(&counted).await, format!("{bytes} {objects}"));
    (bytes, objects)
}

#[actix_web::test]
async fn bytes_and_objects_are_counted() {
    let api = with_quota(json!({ "quota_bytes": 10, "quota_objects": 3 })).await;
    let service = api.service();
    api.upload("b/one", &service, "12345").await.ok();
    api.upload("b/two", &service, "1234").await.ok();
    assert_eq!(used(&api, "b").await, (9, 2));
    let full = api.upload("b/three", &service, "12").await;
    full.refused("413", "QuotaExceeded", "The bucket may hold 10 bytes and has no room for this");
    // What replaces something takes what that had.
    let replace = |content: &str| upload("b/one", &service, content).insert_header(("x-upsert", "true"));
    api.send(replace("123456")).await.ok();
    assert_eq!(api.send(replace("1234567")).await.error(), (400, "413", "QuotaExceeded"));
    assert_eq!(api.get("/object/b/one", &service).await.bytes, b"123456");
    api.upload("b/three", &service, "").await.ok();
    let full = api.upload("b/four", &service, "").await;
    full.refused("413", "QuotaExceeded", "The bucket may hold 3 objects and has no room for another");
    // Copies and moves count as uploads do.
    let way = |from: &str, to: &str| json!({ "bucketId": from, "sourceKey": "three", "destinationBucket": to, "destinationKey": "x" });
    assert_eq!(api.post("/object/copy", &service, way("b", "b")).await.error().2, "QuotaExceeded");
    api.post("/object/move", &service, way("b", "c")).await.ok();
    assert_eq!(used(&api, "b").await, (10, 2));
    api.upload("c/three", &service, "1").await.ok();
    assert_eq!(api.post("/object/move", &service, way("c", "b")).await.error().2, "QuotaExceeded");
    // What is deleted makes room.
    api.delete("/object/b/one", &service).await.ok();
    assert_eq!(used(&api, "b").await, (4, 1));
    api.post("/object/move", &service, way("c", "b")).await.ok();
    assert_eq!(used(&api, "b").await, (5, 2));
    // Less than there is: nothing more, and what is there stays.
    api.put("/bucket/b/settings", &service, json!({ "quota_bytes": 1 })).await.ok();
    assert_eq!(api.upload("b/four", &service, "1").await.error().2, "QuotaExceeded");
    assert_eq!(api.get("/object/b/two", &service).await.bytes, b"1234");
    api.put("/bucket/b/settings", &service, json!({})).await.ok();
    api.upload("b/four", &service, "12345678901").await.ok();
    api.is_consistent().await;
}

#[actix_web::test]
async fn nobody_finds_the_last_place_twice() {
    let api = with_quota(json!({ "quota_bytes": 100, "quota_objects": 20 })).await;
    api.allow("objects", &["insert"], "true").await;
    let user = api.user(USER);
    let paths: Vec<String> = (0..30).map(|n| format!("b/{n}")).collect();
    let answers = join_all(paths.iter().map(|path| api.upload(path, &user, "1234567890"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|a| a.error().2 == "QuotaExceeded"));
    assert_eq!(used(&api, "b").await, (100, 10));
    api.is_consistent().await;
}

#[actix_web::test]
async fn buckets_exchange_objects_without_waiting_for_each_other() {
    let api = with_quota(json!({ "quota_objects": 100 })).await;
    let service = api.service();
    api.put("/bucket/c/settings", &service, json!({ "quota_objects": 100 })).await.ok();
    for n in 0..10 {
        api.upload(&format!("b/b{n}"), &service, "1").await.ok();
        api.upload(&format!("c/c{n}"), &service, "1").await.ok();
    }
    let ways: Vec<_> =
        (0..10).flat_map(|n| [("b", "c", format!("b{n}")), ("c", "b", format!("c{n}"))]).collect();
    let moves = ways.iter().map(|(from, to, name)| {
        let way =
            json!({ "bucketId": from, "sourceKey": name, "destinationBucket": to, "destinationKey": name });
        api.post("/object/move", &service, way)
    });
    for answer in join_all(moves).await {
        answer.ok();
    }
    assert_eq!((used(&api, "b").await, used(&api, "c").await), ((10, 10), (10, 10)));
    // What is empty has room again.
    api.post("/bucket/b/empty", &service, json!({})).await.ok();
    assert_eq!(used(&api, "b").await, (0, 0));
}
