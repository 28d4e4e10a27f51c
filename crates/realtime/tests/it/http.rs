//! Broadcasts by HTTP.

use actix_web::http::StatusCode;
use actix_web::{App, test, web};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{PUBLISHABLE, Server, anon, service};

/// Status and body of a request with a key.
async fn post(
    server: &Server,
    path: &str,
    key: Option<&str>,
    kind: Option<&str>,
    body: Vec<u8>,
) -> (u16, Vec<u8>) {
    let mounted = server.realtime.clone();
    let app = App::new().service(web::scope("/realtime/v1").configure(move |scope| mounted.routes(scope)));
    let app = test::init_service(app).await;
    let mut request = test::TestRequest::post().uri(&format!("/realtime/v1{path}")).set_payload(body);
    if let Some(key) = key {
        request = request.insert_header(("authorization", format!("Bearer {key}")));
    }
    if let Some(kind) = kind {
        request = request.insert_header(("content-type", kind));
    }
    let response = test::call_service(&app, request.to_request()).await;
    if response.status() == StatusCode::ACCEPTED {
        for name in ["x-rate-rolling", "x-rate-limit", "x-rate-limit-remaining"] {
            assert!(response.headers().contains_key(name), "{name}");
        }
    }
    let status = response.status().as_u16();
    (status, test::read_body(response).await.to_vec())
}

async fn json_to(server: &Server, path: &str, key: &str, body: Value) -> (u16, Value) {
    let (status, body) =
        post(server, path, Some(key), Some("application/json"), body.to_string().into_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

const BATCH: &str = "/api/broadcast?apikey=ignored&vsn=2.0.0";

#[actix_web::test]
async fn a_batch_is_delivered_as_text() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.join("room", json!({})).await;
    let body = json!({ "messages": [
        { "topic": "room", "event": "a", "payload": { "n": 1 } },
        { "topic": "elsewhere", "event": "x", "payload": {} },
        { "topic": "room", "event": "b", "payload": { "n": 2 }, "private": false, "id": "1" },
    ] });
    for key in [anon(), PUBLISHABLE.to_owned()] {
        assert_eq!(json_to(&server, BATCH, &key, body.clone()).await, (202, Value::Null));
        for (event, n) in [("a", 1), ("b", 2)] {
            let heard = client.event("broadcast").await;
            assert_eq!(heard.payload, json!({ "type": "broadcast", "event": event, "payload": { "n": n } }));
        }
    }
}

#[actix_web::test]
async fn one_message_is_delivered_as_a_binary_frame() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.join("room:1/x ü", json!({})).await;
    let path = "/api/broadcast/room%3A1%2Fx%20%C3%BC/events/ev%20%C3%BC%2F1";
    assert_eq!(json_to(&server, path, &anon(), json!([1, { "a": null }])).await, (202, Value::Null));
    let heard = client.event("broadcast").await;
    assert_eq!(heard.payload["event"], "ev ü/1");
    assert_eq!(heard.bytes, br#"[1,{"a":null}]"#);
    let kind = Some("application/octet-stream");
    let (status, _) = post(&server, path, Some(&anon()), kind, vec![1, 0, 255]).await;
    assert_eq!((status, client.event("broadcast").await.bytes), (202, vec![1, 0, 255]));
    let (status, _) = post(&server, path, Some(&anon()), None, b"7".to_vec()).await;
    assert_eq!((status, client.event("broadcast").await.bytes), (202, b"7".to_vec()));
}

#[actix_web::test]
async fn refusals_have_upstreams_words() {
    let server = Server::start().await;
    let unauthorized = br#"{"message":"Unauthorized"}"#.to_vec();
    for path in [BATCH, "/api/broadcast/a/events/b"] {
        let json = Some("application/json");
        for key in [None, Some("nonsense")] {
            assert_eq!(
                post(&server, path, key, json, b"{}".to_vec()).await,
                (401, unauthorized.clone()),
                "{path}"
            );
        }
    }
    let (status, body) = json_to(&server, BATCH, &anon(), json!({ "messages": [{ "topic": "a" }] })).await;
    let blank = json!(["can't be blank"]);
    assert_eq!((status, &body["errors"]["messages"]), (422, &json!([{ "payload": blank, "event": blank }])));
    let path = "/api/broadcast/a/events/b";
    let (status, body) = post(&server, path, Some(&anon()), Some("text/plain"), b"x=1".to_vec()).await;
    let text = r#"{"error":"Unsupported Media Type. Use application/json or application/octet-stream"}"#;
    assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (415, text));
}

#[actix_web::test]
async fn policies_decide_about_private_messages() {
    let server = Server::start().await;
    let mut client = Client::open(&server, 2, &anon()).await;
    client.join_as("secret", &service(), json!({ "private": true })).await;
    let path = "/api/broadcast/secret/events/e?private=true";
    assert_eq!(json_to(&server, path, &anon(), json!({})).await, (403, json!({ "message": "Unauthorized" })));
    let batch = json!({ "messages": [{ "topic": "secret", "event": "e", "payload": {}, "private": true }] });
    assert_eq!(json_to(&server, BATCH, &anon(), batch.clone()).await.0, 202, "passed over in silence");
    assert!(client.settled().await.is_empty());
    assert_eq!(json_to(&server, path, &service(), json!({})).await.0, 202);
    client.event("broadcast").await;
    assert_eq!(json_to(&server, BATCH, &service(), batch).await.0, 202);
    client.event("broadcast").await;
}

#[actix_web::test]
async fn too_much_is_refused() {
    let settings = realtime::Config { max_events_per_second: 1, ..crate::config() };
    let server = Server::with(settings, kernel::Clock::system()).await;
    let message = json!({ "topic": "a", "event": "e", "payload": {} });
    let batch = json!({ "messages": [message, message] });
    let (status, body) = json_to(&server, BATCH, &anon(), batch).await;
    let text = "Too many messages to broadcast, please reduce the batch size";
    assert_eq!((status, body), (429, json!({ "message": text })));
    for _ in 0..120 {
        json_to(&server, "/api/broadcast/a/events/b", &anon(), json!(1)).await;
    }
    let refused = (429, json!({ "message": "You have exceeded your rate limit" }));
    assert_eq!(json_to(&server, "/api/broadcast/a/events/b", &anon(), json!(1)).await, refused);
}
