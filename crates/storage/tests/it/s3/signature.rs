//! Every way to sign a request and its body, and what is refused.

use actix_web::http::Method;
use serde_json::json;

use super::client::{Client, Request, hex_digest, mac};
use crate::harness::Api;

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    client.put(&api, "/b/a", "content").await.done(200);
    (api, client)
}

/// A body in signed chunks.
fn chunks(client: &Client, seed: &str, pieces: &[&[u8]], trailer: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut last = seed.to_owned();
    for piece in pieces.iter().copied().chain([b"".as_slice()]) {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{last}\n{}\n{}",
            client.moment(),
            client.scope(),
            hex_digest(b""),
            hex_digest(piece)
        );
        last = hex::encode(mac(&client.key(), &text));
        body.extend_from_slice(format!("{:x};chunk-signature={last}\r\n", piece.len()).as_bytes());
        if !piece.is_empty() {
            body.extend_from_slice(piece);
            body.extend_from_slice(b"\r\n");
        }
    }
    if let Some(trailer) = trailer {
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{last}\n{}",
            client.moment(),
            client.scope(),
            hex_digest(format!("{trailer}\n").as_bytes())
        );
        let signature = hex::encode(mac(&client.key(), &text));
        body.extend_from_slice(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const TRAILED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

async fn chunked(
    api: &Api,
    client: &Client,
    kind: &str,
    size: usize,
    trailer: Option<&str>,
    body: impl Fn(&str) -> Vec<u8>,
) -> crate::harness::Answer {
    let mut request = Request::new(Method::PUT, "/b/chunked")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &size.to_string());
    if let Some(name) = trailer {
        request = request.header("x-amz-trailer", name);
    }
    let (mut request, seed) = client.sign_as(request, kind);
    request.body = body(&seed);
    api.send(request.send()).await
}

#[actix_web::test]
async fn bodies_in_chunks() {
    let (api, client) = start().await;
    let pieces: [&[u8]; 2] = [b"hello ", b"world"];
    chunked(&api, &client, SIGNED, 11, None, |seed| chunks(&client, seed, &pieces, None)).await.done(200);
    let told = client.get(&api, "/b/chunked").await.done(200);
    assert_eq!((told.text().as_str(), told.header("content-encoding")), ("hello world", "identity"));
    let sum = "x-amz-checksum-crc32:DUoRhQ==";
    let name = Some("x-amz-checksum-crc32");
    chunked(&api, &client, TRAILED, 11, name, |seed| chunks(&client, seed, &pieces, Some(sum)))
        .await
        .done(200);
    let plain = format!("6\r\nhello \r\n5\r\nworld\r\n0\r\n{sum}\r\n\r\n").into_bytes();
    let answer = chunked(&api, &client, UNSIGNED, 11, name, |_| plain.clone()).await.done(200);
    assert_eq!(answer.header("x-amz-checksum-crc32"), "DUoRhQ==");
    api.is_consistent().await;
}

#[actix_web::test]
async fn chunks_that_are_not_what_was_signed_leave_no_object() {
    let (api, client) = start().await;
    let pieces: [&[u8]; 2] = [b"hello ", b"world"];
    let good = |seed: &str| chunks(&client, seed, &pieces, None);
    let altered = |seed: &str| {
        let body = String::from_utf8(good(seed)).unwrap();
        body.replace("world", "WORLD").into_bytes()
    };
    chunked(&api, &client, SIGNED, 11, None, altered).await.fails(403, "SignatureDoesNotMatch");
    let replayed = |seed: &str| {
        let body = String::from_utf8(good(seed)).unwrap();
        let first = &body[..body.find("5;chunk").unwrap()];
        format!("{first}{body}").into_bytes()
    };
    chunked(&api, &client, SIGNED, 17, None, replayed).await.fails(403, "SignatureDoesNotMatch");
    let of_another = |_: &str| good(&hex_digest(b"another seed"));
    chunked(&api, &client, SIGNED, 11, None, of_another).await.fails(403, "SignatureDoesNotMatch");
    let cut = |seed: &str| {
        let body = good(seed);
        body[..body.len() - 20].to_vec()
    };
    chunked(&api, &client, SIGNED, 11, None, cut).await.fails(400, "IncompleteBody");
    chunked(&api, &client, SIGNED, 10, None, good).await.fails(400, "IncompleteBody");
    chunked(&api, &client, SIGNED, 12, None, good).await.fails(400, "IncompleteBody");
    let unsigned = |_: &str| b"b\r\nhello world\r\n0\r\n\r\n".to_vec();
    chunked(&api, &client, SIGNED, 11, None, unsigned).await.fails(403, "SignatureDoesNotMatch");
    let name = Some("x-amz-checksum-crc32");
    chunked(&api, &client, UNSIGNED, 11, name, unsigned).await.fails(400, "MalformedTrailerError");
    let wrong = |_: &str| b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_vec();
    chunked(&api, &client, UNSIGNED, 11, name, wrong).await.fails(400, "BadDigest");
    let missing = |seed: &str| chunks(&client, seed, &pieces, None);
    chunked(&api, &client, TRAILED, 11, name, missing).await.fails(400, "MalformedTrailerError");
    let (request, _) = client.sign_as(Request::new(Method::PUT, "/b/chunked"), SIGNED);
    api.send(request.send()).await.fails(411, "MissingContentLength");
    client.head(&api, "/b/chunked").await.done(404);
    api.is_consistent().await;
}

#[actix_web::test]
async fn presigned_urls() {
    let (api, client) = start().await;
    let url = |method: Method, path: &str| client.presign(Request::new(method, path), 60);
    assert_eq!(api.send(url(Method::GET, "/b/a").send()).await.done(200).text(), "content");
    let mut put = url(Method::PUT, "/b/put");
    put.body = b"anything".to_vec();
    api.send(put.send()).await.done(200);
    let carried = Request::new(Method::PUT, "/b/put?x-amz-meta-a=1&x-amz-checksum-crc32=AAAAAA==");
    let mut carried = client.presign(carried, 60);
    carried.body = b"anything".to_vec();
    api.send(carried.send()).await.done(200);
    assert_eq!(client.head(&api, "/b/put").await.header("x-amz-meta-a"), "1");
    let mut moved = url(Method::GET, "/b/a");
    moved.path = "/b/put".to_owned();
    api.send(moved.send()).await.fails(403, "SignatureDoesNotMatch");
    let mut longer = url(Method::GET, "/b/a");
    longer.query.iter_mut().find(|(name, _)| name == "X-Amz-Expires").unwrap().1 = "600".to_owned();
    api.send(longer.send()).await.fails(403, "SignatureDoesNotMatch");
    let mut more = url(Method::GET, "/b/a");
    more.query.push(("response-content-type".to_owned(), "text/html".to_owned()));
    api.send(more.send()).await.fails(403, "SignatureDoesNotMatch");
    let mut turned = url(Method::PUT, "/b/put2");
    turned = turned.header("x-amz-copy-source", "b/a");
    api.send(turned.send()).await.fails(403, "AccessDenied");
    let late = url(Method::GET, "/b/a");
    api.clock.advance(std::time::Duration::from_secs(61));
    api.send(late.send()).await.fails(403, "AccessDenied");
}

#[actix_web::test]
async fn what_was_altered_on_the_way_is_refused() {
    let (api, client) = start().await;
    let put = || Request::new(Method::PUT, "/b/new").body("hello").header("content-type", "text/plain");
    let mut altered = client.sign(put());
    altered.body = b"HELLO".to_vec();
    api.send(altered.send()).await.fails(400, "XAmzContentSHA256Mismatch");
    let mut altered = client.sign(put());
    altered.headers.iter_mut().find(|(name, _)| name == "content-type").unwrap().1 = "text/html".to_owned();
    api.send(altered.send()).await.fails(403, "SignatureDoesNotMatch");
    let added = client.sign(put()).header("x-amz-meta-admin", "true");
    api.send(added.send()).await.fails(403, "AccessDenied");
    let mut altered = client.sign(put());
    altered.method = Method::DELETE;
    api.send(altered.send()).await.fails(403, "SignatureDoesNotMatch");
    let mut altered = client.sign(Request::new(Method::GET, "/b/a"));
    altered.query.push(("tagging".to_owned(), String::new()));
    api.send(altered.send()).await.fails(403, "SignatureDoesNotMatch");
    client.head(&api, "/b/new").await.done(404);
    api.is_consistent().await;
}

#[actix_web::test]
async fn who_is_not_known_or_late_is_refused() {
    let (api, client) = start().await;
    let ask = async |client: &Client| client.get(&api, "/b/a").await;
    ask(&Client { secret: "wrong".to_owned(), ..client.clone() }).await.fails(403, "SignatureDoesNotMatch");
    ask(&Client { access: "wrong".to_owned(), ..client.clone() }).await.fails(403, "InvalidAccessKeyId");
    ask(&Client { access: "stub".to_owned(), ..client.clone() }).await.fails(403, "InvalidAccessKeyId");
    ask(&Client { at: client.at - 901, ..client.clone() }).await.fails(403, "RequestTimeTooSkewed");
    ask(&Client { at: client.at + 901, ..client.clone() }).await.fails(403, "RequestTimeTooSkewed");
    ask(&Client { at: client.at - 899, ..client.clone() }).await.done(200);
    ask(&Client { token: Some(api.service()), ..client.clone() }).await.fails(403, "AccessDenied");
    let anonymous = Request::new(Method::GET, "/b/a");
    api.send(anonymous.send()).await.fails(403, "AccessDenied");
    let bearer =
        Request::new(Method::GET, "/b/a").header("authorization", &format!("Bearer {}", api.service()));
    api.send(bearer.send()).await.fails(403, "AccessDenied");
    let old = Request::new(Method::GET, "/b/a").header("authorization", "AWS key:signature");
    api.send(old.send()).await.fails(400, "InvalidRequest");
}

#[actix_web::test]
async fn session_tokens_are_verified() {
    let (api, _) = start().await;
    api.allow("objects", &["select"], "true").await;
    let user = Client::user(&api, api.user(crate::harness::USER));
    assert_eq!(user.get(&api, "/b/a").await.done(200).text(), "content");
    let url = user.presign(Request::new(Method::GET, "/b/a"), 60);
    api.send(url.send()).await.done(200);
    for token in ["", "nonsense", "a.b.c"] {
        let refused = Client::user(&api, token.to_owned()).get(&api, "/b/a").await;
        refused.fails(403, "AccessDenied");
    }
    let expired = api.token(json!({ "role": "service_role", "exp": api.clock.unix() - 100 }));
    Client::user(&api, expired).get(&api, "/b/a").await.fails(403, "AccessDenied");
    let (head, _) =
        api.service().rsplit_once('.').map(|(head, tail)| (head.to_owned(), tail.to_owned())).unwrap();
    Client::user(&api, format!("{head}.AAAA")).get(&api, "/b/a").await.fails(403, "AccessDenied");
    // The token is part of what is signed.
    let mut swapped = user.sign(Request::new(Method::GET, "/b/a"));
    swapped.headers.iter_mut().find(|(name, _)| name == "x-amz-security-token").unwrap().1 = api.service();
    api.send(swapped.send()).await.fails(403, "SignatureDoesNotMatch");
}

#[actix_web::test]
async fn a_presigned_url_ends_and_leaves_nothing() {
    let (api, client) = start().await;
    let user = |lifetime: i64| {
        Client::user(&api, api.token(json!({ "role": "service_role", "exp": api.clock.unix() + lifetime })))
    };
    let put = || {
        let mut url = client.presign(Request::new(Method::PUT, "/b/late"), 60);
        url.body = b"late".to_vec();
        url.send()
    };
    let late = put();
    let of_short_token = user(30).presign(Request::new(Method::GET, "/b/a"), 600).send();
    let ahead = Client { at: client.at + 1000, ..client.clone() };
    let ahead = ahead.presign(Request::new(Method::GET, "/b/a"), 600).send();
    api.send(ahead).await.fails(403, "RequestTimeTooSkewed");
    api.clock.advance(std::time::Duration::from_secs(61));
    api.send(late).await.fails(403, "AccessDenied");
    api.send(of_short_token).await.fails(403, "AccessDenied");
    for expires in ["0", "-1", "604801", "x"] {
        let mut url = client.presign(Request::new(Method::GET, "/b/a"), 60);
        url.query.iter_mut().find(|(name, _)| name == "X-Amz-Expires").unwrap().1 = expires.to_owned();
        let status = api.send(url.send()).await.status;
        assert!(matches!(status, 400 | 403), "{expires} {status}");
    }
    client.head(&api, "/b/late").await.done(404);
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_checksum_behind_the_body_cannot_be_altered() {
    let (api, client) = start().await;
    let pieces: [&[u8]; 1] = [b"hello world"];
    let (name, sum) = (Some("x-amz-checksum-crc32"), "x-amz-checksum-crc32:DUoRhQ==");
    let altered = |seed: &str| {
        let body = String::from_utf8(chunks(&client, seed, &pieces, Some(sum))).unwrap();
        body.replace("DUoRhQ==", "AAAAAA==").into_bytes()
    };
    chunked(&api, &client, TRAILED, 11, name, altered).await.fails(403, "SignatureDoesNotMatch");
    // Signed, and still not that of the body.
    let wrong = "x-amz-checksum-crc32:AAAAAA==";
    chunked(&api, &client, TRAILED, 11, name, |seed| chunks(&client, seed, &pieces, Some(wrong)))
        .await
        .fails(400, "BadDigest");
    let another = "x-amz-checksum-sha1:DUoRhQ==";
    chunked(&api, &client, TRAILED, 11, name, |seed| chunks(&client, seed, &pieces, Some(another)))
        .await
        .fails(400, "MalformedTrailerError");
    client.head(&api, "/b/chunked").await.done(404);
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_proxy_may_stand_in_between() {
    let (api, client) = start().await;
    // The client saw another host, and another prefix before ours.
    let mut request = Request::new(Method::GET, "/b/a");
    request.headers[0].1 = "files.example".to_owned();
    let mut request = client.sign(request);
    request.headers[0].1 = "127.0.0.1:8000".to_owned();
    api.send(request.header("x-forwarded-host", "files.example").send()).await.done(200);
    let mut request = Request::new(Method::GET, "/b/a");
    request = request.header("accept-encoding", "identity");
    let mut request = client.sign(request);
    request.headers.iter_mut().find(|(name, _)| name == "accept-encoding").unwrap().1 = "gzip, br".to_owned();
    api.send(request.send()).await.done(200);
    // No header can make one object's signature good for another.
    client.put(&api, "/b/storage/v1/s3/b/a", "decoy").await.done(200);
    let mut request = client.sign(Request::new(Method::GET, "/b/storage/v1/s3/b/a"));
    request.path = "/b/a".to_owned();
    api.send(request.header("x-forwarded-prefix", "/storage/v1/s3/b").send())
        .await
        .fails(403, "SignatureDoesNotMatch");
}
