//! Pairs of keys beside the service's own.

use actix_web::http::Method;
use kernel::{RoleName, Secret};
use serde_json::json;
use storage::S3Pair;

use super::client::{Client, Request};
use crate::harness::{Api, OTHER, USER, credentials};

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    for bucket in ["b", "c"] {
        api.bucket(bucket, json!({})).await;
    }
    let service = Client::service(&api);
    service.put(&api, "/b/a", "content").await.done(200);
    service.put(&api, "/c/secret", "secret").await.done(200);
    (api, service)
}

fn pair() -> S3Pair {
    S3Pair::new(Secret::new("another key"), Secret::new("another secret"))
}

/// Whoever has a pair, once the server has it.
fn client(api: &Api, pair: S3Pair) -> Client {
    let client = Client {
        access: pair.access_key.expose().to_owned(),
        secret: pair.secret.expose().to_owned(),
        token: None,
        at: api.clock.unix(),
    };
    api.credentials.replace(&credentials(&[pair]));
    client
}

#[actix_web::test]
async fn pairs_come_and_go_while_the_server_runs() {
    let (api, service) = start().await;
    let other = client(&api, pair());
    other.put(&api, "/b/new", "new").await.done(200);
    service.get(&api, "/b/new").await.done(200);
    let swapped = Client { secret: service.secret.clone(), ..other.clone() };
    swapped.get(&api, "/b/a").await.fails(403, "SignatureDoesNotMatch");
    let url = other.presign(Request::new(Method::GET, "/b/a"), 600);
    api.credentials.replace(&credentials(&[]));
    other.get(&api, "/b/a").await.fails(403, "InvalidAccessKeyId");
    api.send(url.send()).await.fails(403, "InvalidAccessKeyId");
    service.get(&api, "/b/a").await.done(200);
}

#[actix_web::test]
async fn pairs_expire() {
    let (api, _) = start().await;
    let other = client(&api, S3Pair { expires_at: Some(api.clock.unix() + 60), ..pair() });
    other.get(&api, "/b/a").await.done(200);
    let url = other.presign(Request::new(Method::GET, "/b/a"), 600);
    api.clock.advance(std::time::Duration::from_secs(60));
    other.get(&api, "/b/a").await.fails(403, "InvalidAccessKeyId");
    api.send(url.send()).await.fails(403, "InvalidAccessKeyId");
}

#[actix_web::test]
async fn a_pair_that_reads_changes_nothing() {
    let (api, service) = start().await;
    let reader = client(&api, S3Pair { read_only: true, ..pair() });
    assert_eq!(reader.get(&api, "/b/a").await.done(200).text(), "content");
    assert_eq!(reader.get(&api, "/b?list-type=2").await.done(200).elements("Key"), ["a"]);
    assert_eq!(reader.get(&api, "/").await.done(200).elements("Name"), ["b", "c"]);
    let id = service.post(&api, "/b/big?uploads", "").await.done(200).element("UploadId");
    let delete = "<Delete><Object><Key>a</Key></Object></Delete>";
    for (method, path, body) in [
        (Method::PUT, "/b/a", "other"),
        (Method::DELETE, "/b/a", ""),
        (Method::POST, "/b?delete", delete),
        (Method::PUT, "/d", ""),
        (Method::DELETE, "/c", ""),
        (Method::PUT, "/b?acl", ""),
        (Method::PUT, "/b/a?tagging", "<Tagging><TagSet/></Tagging>"),
        (Method::DELETE, "/b/a?tagging", ""),
        (Method::POST, "/b/other?uploads", ""),
        (Method::PUT, &format!("/b/big?partNumber=1&uploadId={id}"), "part"),
        (Method::DELETE, &format!("/b/big?uploadId={id}"), ""),
    ] {
        let request = Request::new(method.clone(), path).body(body);
        assert_eq!(reader.send(&api, request).await.status, 403, "{method} {path}");
    }
    let copy = Request::new(Method::PUT, "/b/copy").header("x-amz-copy-source", "b/a");
    reader.send(&api, copy).await.fails(403, "AccessDenied");
    let mut url = reader.presign(Request::new(Method::PUT, "/b/a"), 60);
    url.body = b"other".to_vec();
    api.send(url.send()).await.fails(403, "AccessDenied");
    assert_eq!(service.get(&api, "/b/a").await.text(), "content");
    assert_eq!(service.get(&api, "/b?uploads").await.elements("UploadId"), [id]);
}

#[actix_web::test]
async fn a_pair_of_one_bucket_opens_no_other() {
    let (api, service) = start().await;
    let one = client(&api, S3Pair { bucket: Some("b".to_owned()), ..pair() });
    one.put(&api, "/b/new", "new").await.done(200);
    assert_eq!(one.get(&api, "/").await.done(200).elements("Name"), ["b"]);
    for path in ["/c/secret", "/c?list-type=2", "/c?location", "/c?acl"] {
        one.get(&api, path).await.fails(403, "AccessDenied");
    }
    one.put(&api, "/c/secret", "other").await.fails(403, "AccessDenied");
    let steal = Request::new(Method::PUT, "/b/stolen").header("x-amz-copy-source", "c/secret");
    one.send(&api, steal).await.fails(403, "AccessDenied");
    let id = one.post(&api, "/b/big?uploads", "").await.done(200).element("UploadId");
    let steal = Request::new(Method::PUT, &format!("/b/big?partNumber=1&uploadId={id}"))
        .header("x-amz-copy-source", "c/secret");
    one.send(&api, steal).await.fails(403, "AccessDenied");
    for (method, path) in [(Method::PUT, "/d"), (Method::DELETE, "/c"), (Method::DELETE, "/b")] {
        one.send(&api, Request::new(method, path)).await.fails(403, "AccessDenied");
    }
    assert_eq!(service.get(&api, "/c/secret").await.text(), "secret");
}

#[actix_web::test]
async fn policies_bind_a_pair_that_is_a_user() {
    let (api, service) = start().await;
    let user = || S3Pair { role: RoleName::parse("authenticated"), user: Some(USER.to_owned()), ..pair() };
    let ada = client(&api, user());
    ada.get(&api, "/b/a").await.fails(404, "NoSuchKey");
    ada.put(&api, "/b/mine", "mine").await.fails(403, "AccessDenied");
    api.allow("objects", &["select", "insert"], "owner_id = auth.uid()::text").await;
    ada.put(&api, "/b/mine", "mine").await.done(200);
    ada.get(&api, "/b/mine").await.done(200);
    ada.get(&api, "/b/a").await.fails(404, "NoSuchKey");
    let other = client(&api, S3Pair { user: Some(OTHER.to_owned()), ..user() });
    other.get(&api, "/b/mine").await.fails(404, "NoSuchKey");
    service.get(&api, "/b/mine").await.done(200);
}
