//! Checksums of whole objects, of parts, and what is known of an object without its content.

use actix_web::http::Method;
use serde_json::json;

use super::client::{Client, Request};
use crate::harness::{Answer, Api};

// CRC32 of "hello ", "world" and both; SHA-256 of both parts.
const HELLO: &str = "7YH59g==";
const WORLD: &str = "OncRQw==";
const BOTH: &str = "DUoRhQ==";

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    (api, client)
}

async fn begin(api: &Api, client: &Client, algorithm: &str, cover: &str) -> String {
    let begun = Request::new(Method::POST, "/b/k?uploads")
        .header("x-amz-checksum-algorithm", algorithm)
        .header("x-amz-checksum-type", cover);
    let begun = client.send(api, begun).await.done(200);
    assert_eq!(
        (begun.header("x-amz-checksum-algorithm"), begun.header("x-amz-checksum-type")),
        (algorithm, cover)
    );
    begun.element("UploadId")
}

fn part(id: &str, number: u32, body: &str) -> Request {
    Request::new(Method::PUT, &format!("/b/k?partNumber={number}&uploadId={id}")).body(body)
}

/// Both parts, the second without a word of its checksum. Returns what completes them.
async fn parts(api: &Api, client: &Client, id: &str, name: &str, first: &str) -> [String; 2] {
    let header = format!("x-amz-checksum-{}", name.to_ascii_lowercase());
    let sent = client.send(api, part(id, 1, "hello ").header(&header, first)).await.done(200);
    assert_eq!(sent.header(&header), first);
    let second = client.send(api, part(id, 2, "world")).await.done(200);
    [sent, second].map(|part| {
        format!(
            "<ETag>{}</ETag><Checksum{name}>{}</Checksum{name}>",
            part.header("etag"),
            part.header(&header)
        )
    })
}

fn complete(id: &str, parts: &[String]) -> Request {
    let parts = parts.iter().enumerate();
    let parts: String =
        parts.map(|(n, part)| format!("<Part><PartNumber>{}</PartNumber>{part}</Part>", n + 1)).collect();
    Request::new(Method::POST, &format!("/b/k?uploadId={id}"))
        .body(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"))
}

async fn told(api: &Api, client: &Client, path: &str) -> Answer {
    client.send(api, Request::new(Method::GET, path).header("x-amz-checksum-mode", "ENABLED")).await
}

async fn attributes(api: &Api, client: &Client, path: &str, names: &str) -> Answer {
    let asked = Request::new(Method::GET, path).header("x-amz-object-attributes", names);
    client.send(api, asked).await
}

#[actix_web::test]
async fn a_checksum_of_all_bytes() {
    let (api, client) = start().await;
    let id = begin(&api, &client, "CRC32", "FULL_OBJECT").await;
    let listed = client.get(&api, "/b?uploads").await.done(200);
    assert_eq!(listed.element("ChecksumAlgorithm"), "CRC32");
    let parts = parts(&api, &client, &id, "CRC32", HELLO).await;
    let listed = client.get(&api, &format!("/b/k?uploadId={id}")).await.done(200);
    assert_eq!(listed.elements("ChecksumCRC32"), [HELLO, WORLD]);
    let with = |name: &str, value: &str| complete(&id, &parts).header(name, value);
    client.send(&api, with("x-amz-checksum-crc32", "AAAAAA==")).await.fails(400, "BadDigest");
    client.send(&api, with("x-amz-checksum-type", "COMPOSITE")).await.fails(400, "InvalidRequest");
    client.send(&api, with("x-amz-mp-object-size", "12")).await.fails(400, "InvalidRequest");
    let swapped = [parts[0].replace(HELLO, WORLD), parts[1].clone()];
    client.send(&api, complete(&id, &swapped)).await.fails(400, "InvalidPart");
    client.head(&api, "/b/k").await.done(404);
    let good = || {
        with("x-amz-checksum-crc32", BOTH)
            .header("x-amz-checksum-type", "FULL_OBJECT")
            .header("x-amz-mp-object-size", "11")
    };
    for _ in 0..2 {
        let done = client.send(&api, good()).await.done(200);
        assert_eq!(
            (done.element("ChecksumCRC32").as_str(), done.element("ChecksumType").as_str()),
            (BOTH, "FULL_OBJECT")
        );
    }
    let whole = told(&api, &client, "/b/k").await.done(200);
    assert_eq!(
        (whole.header("x-amz-checksum-crc32"), whole.header("x-amz-checksum-type")),
        (BOTH, "FULL_OBJECT")
    );
    assert_eq!(client.get(&api, "/b/k").await.header("x-amz-checksum-crc32"), "");
    let second = told(&api, &client, "/b/k?partNumber=2").await.done(206);
    assert_eq!(second.header("x-amz-checksum-crc32"), WORLD);
    let range = Request::new(Method::GET, "/b/k")
        .header("range", "bytes=0-3")
        .header("x-amz-checksum-mode", "ENABLED");
    assert_eq!(client.send(&api, range).await.done(206).header("x-amz-checksum-crc32"), "");
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_checksum_of_checksums() {
    let (api, client) = start().await;
    let id = begin(&api, &client, "SHA256", "COMPOSITE").await;
    let first = "IHkCP12h+iQc5iPmlTyjXhBEo9uH5Bx6Yq7nvO8bKxY=";
    client
        .send(&api, part(&id, 1, "hello ").header("x-amz-checksum-sha256", first))
        .await
        .fails(400, "BadDigest");
    let mismatch = part(&id, 1, "hello ").header("x-amz-checksum-crc32", HELLO);
    client.send(&api, mismatch).await.fails(400, "InvalidRequest");
    let sent = client.send(&api, part(&id, 1, "hello ")).await.done(200);
    let first = sent.header("x-amz-checksum-sha256").to_owned();
    let parts = parts(&api, &client, &id, "SHA256", &first).await;
    let done = client.send(&api, complete(&id, &parts)).await.done(200);
    let value = done.element("ChecksumSHA256");
    assert!(value.ends_with("-2"), "{value}");
    let head = Request::new(Method::HEAD, "/b/k").header("x-amz-checksum-mode", "ENABLED");
    let head = client.send(&api, head).await.done(200);
    assert_eq!(
        (head.header("x-amz-checksum-sha256"), head.header("x-amz-checksum-type")),
        (value.as_str(), "COMPOSITE")
    );
    let known =
        attributes(&api, &client, "/b/k?attributes", "ETag,Checksum, ObjectParts,StorageClass,ObjectSize")
            .await;
    let known = known.done(200);
    assert_eq!(known.elements("ChecksumSHA256")[..2], [value.clone(), first.clone()]);
    assert_eq!(
        (known.element("PartsCount"), known.element("ObjectSize"), known.element("StorageClass")),
        ("2".into(), "11".into(), "STANDARD".into())
    );
    assert!(!known.element("ETag").contains("quot"), "{}", known.text());
    let page = Request::new(Method::GET, "/b/k?attributes")
        .header("x-amz-object-attributes", "ObjectParts")
        .header("x-amz-max-parts", "1")
        .header("x-amz-part-number-marker", "1");
    let page = client.send(&api, page).await.done(200);
    assert_eq!(
        (page.elements("PartNumber"), page.element("IsTruncated"), page.element("Checksum")),
        (vec!["2".to_owned()], "false".to_owned(), String::new())
    );
    attributes(&api, &client, "/b/k?attributes", "Everything").await.fails(400, "InvalidArgument");
    client.get(&api, "/b/k?attributes").await.fails(400, "InvalidArgument");
    attributes(&api, &client, "/b/none?attributes", "ETag").await.fails(404, "NoSuchKey");
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_copied_part_has_its_checksum_too() {
    let (api, client) = start().await;
    client.put(&api, "/b/source", "hello world").await.done(200);
    let id = begin(&api, &client, "CRC32", "FULL_OBJECT").await;
    let copy = part(&id, 1, "")
        .header("x-amz-copy-source", "b/source")
        .header("x-amz-copy-source-range", "bytes=0-5");
    let copied = client.send(&api, copy).await.done(200);
    assert_eq!(copied.element("ChecksumCRC32"), HELLO);
    client.send(&api, part(&id, 2, "world")).await.done(200);
    let done = client.post(&api, &format!("/b/k?uploadId={id}"), "").await.done(200);
    assert_eq!(done.element("ChecksumCRC32"), BOTH);
    let copy = Request::new(Method::PUT, "/b/copy").header("x-amz-copy-source", "b/k");
    assert_eq!(client.send(&api, copy).await.done(200).element("ChecksumCRC32"), BOTH);
}

#[actix_web::test]
async fn what_no_upload_can_have_is_refused() {
    let (api, client) = start().await;
    for (algorithm, cover) in [("MD5", "COMPOSITE"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")] {
        let begun = Request::new(Method::POST, "/b/k?uploads")
            .header("x-amz-checksum-algorithm", algorithm)
            .header("x-amz-checksum-type", cover);
        client.send(&api, begun).await.fails(400, "InvalidRequest");
    }
    assert!(client.get(&api, "/b?uploads").await.done(200).elements("UploadId").is_empty());
}
