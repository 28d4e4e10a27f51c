//! The policies decide, by the settings that they see.

use actix_web::http::Method;
use serde_json::json;

use super::client::{Client, Request};
use crate::harness::{Api, OTHER, USER};

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    Client::service(&api).put(&api, "/b/old", "old").await.done(200);
    let user = Client::user(&api, api.user(USER));
    (api, user)
}

/// An operation succeeds with these policies and with none of them missing.
async fn needs(api: &Api, commands: &[&str], operation: impl AsyncFn() -> bool) {
    for left_out in commands {
        let some: Vec<&str> = commands.iter().copied().filter(|command| command != left_out).collect();
        api.allow("objects", &some, "true").await;
        assert!(!operation().await, "without {left_out}");
    }
    api.allow("objects", commands, "true").await;
    assert!(operation().await, "with {commands:?}");
}

#[actix_web::test]
async fn each_operation_needs_its_policies() {
    let (api, user) = start().await;
    let put = async |name: &str| user.put(&api, name, "new").await.status == 200;
    needs(&api, &["select", "insert"], async || put("/b/new").await).await;
    needs(&api, &["select", "insert", "update"], async || put("/b/old").await).await;
    needs(&api, &["select"], async || user.get(&api, "/b/old").await.status == 200).await;
    needs(&api, &["select"], async || user.head(&api, "/b/old").await.status == 200).await;
    needs(&api, &["select"], async || !user.get(&api, "/b").await.elements("Key").is_empty()).await;
    needs(&api, &["select", "insert"], async || user.post(&api, "/b/parts?uploads", "").await.status == 200)
        .await;
    let copy = async || {
        let copy = Request::new(Method::PUT, "/b/copied").header("x-amz-copy-source", "b/old");
        user.send(&api, copy).await.status == 200
    };
    needs(&api, &["select", "insert"], copy).await;
    let tagging = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    needs(&api, &["select", "update"], async || {
        user.put(&api, "/b/old?tagging", tagging).await.status == 200
    })
    .await;
    needs(&api, &["select", "delete"], async || {
        let body = "<Delete><Object><Key>new</Key></Object></Delete>";
        !user.post(&api, "/b?delete", body).await.text().contains("<Error>")
    })
    .await;
    needs(&api, &["select", "delete"], async || user.delete(&api, "/b/old").await.status == 204).await;
    api.is_consistent().await;
}

#[actix_web::test]
async fn owners_keep_what_is_theirs() {
    let (api, user) = start().await;
    let other = Client::user(&api, api.user(OTHER));
    let own = "owner_id = (select nullif(current_setting('request.jwt.claim.sub', true), ''))";
    api.allow("objects", &["select", "insert", "update", "delete"], own).await;
    user.put(&api, "/b/mine", "mine").await.done(200);
    user.put(&api, "/b/old", "x").await.fails(403, "AccessDenied");
    other.get(&api, "/b/mine").await.fails(404, "NoSuchKey");
    other.put(&api, "/b/mine", "x").await.fails(403, "AccessDenied");
    other.delete(&api, "/b/mine").await.fails(403, "AccessDenied");
    let copy = Request::new(Method::PUT, "/b/copied").header("x-amz-copy-source", "b/mine");
    other.send(&api, copy).await.fails(404, "NoSuchKey");
    assert!(other.get(&api, "/b?list-type=2").await.elements("Key").is_empty());
    assert_eq!(user.get(&api, "/b?list-type=2").await.elements("Key"), ["mine"]);
    assert_eq!(user.get(&api, "/b/mine").await.text(), "mine");
    api.is_consistent().await;
}

#[actix_web::test]
async fn buckets_have_policies_too() {
    let (api, user) = start().await;
    user.put(&api, "/new", "").await.fails(403, "AccessDenied");
    user.head(&api, "/b").await.done(404);
    assert!(user.get(&api, "/").await.done(200).elements("Name").is_empty());
    user.delete(&api, "/b").await.fails(409, "BucketNotEmpty");
    api.allow("buckets", &["select", "insert", "delete"], "true").await;
    user.put(&api, "/new", "").await.done(200);
    user.head(&api, "/b").await.done(200);
    assert_eq!(user.get(&api, "/").await.elements("Name"), ["b", "new"]);
    user.delete(&api, "/new").await.done(204);
}

#[actix_web::test]
async fn policies_see_which_operation_it_is() {
    let (api, user) = start().await;
    let rule = "current_setting('storage.operation', true) = 'storage.s3.object.get'
                and current_setting('request.path', true) = '/s3/b/old'";
    api.allow("objects", &["select"], rule).await;
    user.get(&api, "/b/old").await.done(200);
    user.head(&api, "/b/old").await.done(404);
}
