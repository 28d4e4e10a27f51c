//! Requests that mean harm.

use actix_web::http::Method;
use serde_json::json;
use storage::{Config, S3};

use super::client::{Client, Request};
use crate::harness::Api;

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    client.put(&api, "/b/a", "content").await.done(200);
    (api, client)
}

#[actix_web::test]
async fn subresources_that_are_not_known_have_no_effect() {
    let (api, client) = start().await;
    for name in ["retention", "legal-hold", "torrent", "restore", "renameObject", "anything=1"] {
        client.put(&api, &format!("/b/a?{name}"), "<Xml/>").await.fails(501, "NotImplemented");
        client.post(&api, &format!("/b/a?{name}"), "<Xml/>").await.fails(501, "NotImplemented");
        client.delete(&api, &format!("/b/a?{name}")).await.fails(501, "NotImplemented");
    }
    for name in
        ["policy", "lifecycle", "cors", "versioning", "encryption", "tagging", "website", "object-lock"]
    {
        client.put(&api, &format!("/b?{name}"), "<Xml/>").await.fails(501, "NotImplemented");
        client.delete(&api, &format!("/b?{name}")).await.fails(501, "NotImplemented");
    }
    client.get(&api, "/b?policy").await.fails(404, "NoSuchBucketPolicy");
    client.get(&api, "/b?lifecycle").await.fails(404, "NoSuchLifecycleConfiguration");
    for path in ["/b?acl", "/b/a?acl"] {
        client.put(&api, path, "<Xml/>").await.fails(400, "AccessControlListNotSupported");
        client.delete(&api, path).await.fails(501, "NotImplemented");
    }
    client.put(&api, "/b/a?attributes", "<Xml/>").await.fails(501, "NotImplemented");
    client.delete(&api, "/b/a?versionId=3").await.fails(404, "NoSuchVersion");
    assert_eq!(client.get(&api, "/b/a").await.text(), "content");
    assert!(client.get(&api, "/b/a?acl").await.done(200).text().contains("FULL_CONTROL"));
}

#[actix_web::test]
async fn names_lead_nowhere_else() {
    let (api, client) = start().await;
    let long = format!("/b/{}", "x/".repeat(600));
    client.put(&api, &long, "x").await.fails(400, "KeyTooLongError");
    for name in ["/b/x/../../../etc/passwd", "/b/./x", "/b/..", "/b/a\\b", "/b/a\nb", "/b/ä", "/b/a|b"] {
        let answer = client.put(&api, name, "x").await;
        assert!(answer.status == 400 || answer.status == 403, "{name} {} {}", answer.status, answer.text());
    }
    for name in ["/../a", "/b%2Fc/a", "/.incoming/x", "/.parts/x"] {
        let answer = client.get(&api, name).await;
        assert!(answer.status == 404 || answer.status == 403, "{name} {}", answer.status);
    }
    client.get(&api, "/b/x/../a").await.fails(404, "NoSuchKey");
    let copy = Request::new(Method::PUT, "/b/n").header("x-amz-copy-source", "b/../../secret");
    client.send(&api, copy).await.fails(404, "NoSuchKey");
    api.is_consistent().await;
}

#[actix_web::test]
async fn documents_are_bounded_and_have_no_entities() {
    let (api, client) = start().await;
    let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY d \"&b;&b;&b;&b;\">]><Delete><Object><Key>&d;</Key></Object></Delete>";
    client.post(&api, "/b?delete", bomb).await.fails(400, "MalformedXML");
    let outside = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&x;</Key></Object></Delete>";
    client.post(&api, "/b?delete", outside).await.fails(400, "MalformedXML");
    client.post(&api, "/b?delete", &" ".repeat(5 * 1024 * 1024)).await.fails(400, "MalformedXML");
    let deep = format!("{}{}", "<Delete>".repeat(50_000), "</Delete>".repeat(50_000));
    client.post(&api, "/b?delete", &deep).await.fails(400, "MalformedXML");
    // Each attribute is compared with those before it.
    let wide: String = (0..150_000).map(|n| format!(" a{n}=''")).collect();
    client.post(&api, "/b?delete", &format!("<Delete{wide}/>")).await.fails(400, "MalformedXML");
    // And namespaces are handed down.
    let deep: String = (0..50_000).map(|n| format!("<Delete xmlns:a{n}='u'>")).collect();
    let deep = format!("{deep}{}", "</Delete>".repeat(50_000));
    client.post(&api, "/b?delete", &deep).await.fails(400, "MalformedXML");
    assert_eq!(client.get(&api, "/b/a").await.text(), "content");
}

#[actix_web::test]
async fn bytes_that_are_no_text_are_no_name() {
    let api = Api::with(Config { unicode_keys: true, ..Config::default() }).await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    for name in ["/b/x%FFy", "/b/x%FEy", "/b/%C3", "/b/%ED%A0%80", "/%FF/x"] {
        for method in [Method::PUT, Method::GET, Method::DELETE] {
            let mut request = Request::new(method, "/b");
            request.path = name.to_owned();
            client.send(&api, request).await.fails(400, "InvalidURI");
        }
    }
    client.put(&api, "/b/x\u{fffd}y", "x").await.fails(400, "InvalidKey");
    client.put(&api, "/b/ä", "x").await.done(200);
    assert_eq!(client.get(&api, "/b?list-type=2").await.elements("Key"), ["ä"]);
}

#[actix_web::test]
async fn digests_are_checked() {
    let (api, client) = start().await;
    let put = |name: &str, value: &str| Request::new(Method::PUT, "/b/new").body("hello").header(name, value);
    client.send(&api, put("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")).await.fails(400, "BadDigest");
    client.send(&api, put("content-md5", "short")).await.fails(400, "InvalidDigest");
    client.send(&api, put("x-amz-checksum-sha256", &"A".repeat(43))).await.fails(400, "InvalidRequest");
    client.send(&api, put("x-amz-checksum-crc32c", "AAAAAA==")).await.fails(400, "BadDigest");
    client.send(&api, put("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")).await.fails(400, "BadDigest");
    client.send(&api, put("x-amz-checksum-crc32c", "AAAA")).await.fails(400, "InvalidRequest");
    let two = put("x-amz-checksum-crc32", "NhCmhg==").header("x-amz-checksum-crc32c", "AAAAAA==");
    client.send(&api, two).await.fails(400, "InvalidRequest");
    client.head(&api, "/b/new").await.done(404);
    api.is_consistent().await;
}

#[actix_web::test]
async fn promises_that_cannot_be_kept_are_refused() {
    let (api, client) = start().await;
    for (name, value) in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
    ] {
        let put = Request::new(Method::PUT, "/b/a").body("x").header(name, value);
        client.send(&api, put).await.fails(501, "NotImplemented");
    }
    assert_eq!(client.get(&api, "/b/a").await.text(), "content");
}

#[actix_web::test]
async fn more_metadata_than_allowed_is_refused() {
    let (api, client) = start().await;
    let put = Request::new(Method::PUT, "/b/new").header("x-amz-meta-a", &"x".repeat(2100));
    client.send(&api, put).await.fails(400, "MetadataTooLarge");
}

#[actix_web::test]
async fn it_can_be_switched_off() {
    let api = Api::with(Config { s3: S3 { enabled: false, ..S3::default() }, ..Config::default() }).await;
    assert_eq!(Client::service(&api).get(&api, "/").await.status, 404);
}
