//! Public buckets, and what lists of access can say of them.

use actix_web::http::Method;
use serde_json::json;

use super::client::{Client, Request};
use crate::harness::{Api, USER};

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("open", json!({ "public": true })).await;
    api.bucket("shut", json!({})).await;
    let client = Client::service(&api);
    for path in ["/open/a", "/shut/a"] {
        client.put(&api, path, "content").await.done(200);
    }
    (api, client)
}

fn acl(path: &str, name: &str) -> Request {
    Request::new(Method::PUT, path).header("x-amz-acl", name)
}

#[actix_web::test]
async fn objects_of_public_buckets_need_no_signature() {
    let (api, _) = start().await;
    let ask = async |method: Method, path: &str| api.send(Request::new(method, path).send()).await;
    assert_eq!(ask(Method::GET, "/open/a").await.done(200).text(), "content");
    assert_eq!(ask(Method::HEAD, "/open/a").await.done(200).header("content-length"), "7");
    ask(Method::GET, "/open/none").await.fails(404, "NoSuchKey");
    ask(Method::GET, "/open/a?response-content-type=text/html").await.fails(400, "InvalidRequest");
    for path in ["/shut/a", "/shut/none", "/none/a", "/open", "/open?list-type=2", "/open/a?acl", "/"] {
        ask(Method::GET, path).await.fails(403, "AccessDenied");
    }
    for (method, path) in
        [(Method::PUT, "/open/a"), (Method::DELETE, "/open/a"), (Method::POST, "/open?delete")]
    {
        ask(method, path).await.fails(403, "AccessDenied");
    }
    // Whoever says who he is must be that.
    let forged = Request::new(Method::GET, "/open/a?X-Amz-Algorithm=AWS4-HMAC-SHA256");
    api.send(forged.send()).await.fails(400, "AuthorizationQueryParametersError");
}

#[actix_web::test]
async fn a_bucket_is_public_or_not() {
    let (api, client) = start().await;
    let grants = async |path: &str| client.get(&api, path).await.done(200).elements("Permission");
    assert_eq!(grants("/open?acl").await, ["FULL_CONTROL", "READ"]);
    assert_eq!(grants("/open/a?acl").await, ["FULL_CONTROL", "READ"]);
    assert_eq!(grants("/shut/a?acl").await, ["FULL_CONTROL"]);
    client.send(&api, acl("/shut?acl", "public-read")).await.done(200);
    client.send(&api, acl("/open?acl", "private")).await.done(200);
    assert_eq!((grants("/shut?acl").await.len(), grants("/open?acl").await.len()), (2, 1));
    api.send(Request::new(Method::GET, "/open/a").send()).await.fails(403, "AccessDenied");
    api.send(Request::new(Method::GET, "/shut/a").send()).await.done(200);
}

#[actix_web::test]
async fn what_lists_cannot_say_here_is_refused() {
    let (api, client) = start().await;
    for (path, name) in [
        ("/open/a?acl", "private"),
        ("/shut/a?acl", "public-read"),
        ("/shut?acl", "public-read-write"),
        ("/shut?acl", "authenticated-read"),
        ("/shut?acl", "nonsense"),
    ] {
        client.send(&api, acl(path, name)).await.fails(400, "AccessControlListNotSupported");
    }
    let written = Request::new(Method::PUT, "/shut?acl").body("<AccessControlPolicy/>");
    client.send(&api, written).await.fails(400, "AccessControlListNotSupported");
    for (path, name) in [
        ("/shut/a?acl", "private"),
        ("/open/a?acl", "public-read"),
        ("/shut/a?acl", "bucket-owner-full-control"),
    ] {
        client.send(&api, acl(path, name)).await.done(200);
    }
    client.send(&api, acl("/shut/none?acl", "private")).await.fails(404, "NoSuchKey");
    // Policies decide who may make a bucket public.
    api.allow("buckets", &["select"], "true").await;
    let user = Client::user(&api, api.user(USER));
    user.send(&api, acl("/shut?acl", "public-read")).await.fails(403, "AccessDenied");
    assert_eq!(client.get(&api, "/shut?acl").await.elements("Permission"), ["FULL_CONTROL"]);
}
