//! What another server is told of objects.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Secret;
use serde_json::{Value, json};
use sha2::Sha256;
use storage::{Config, WebhookSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Api, USER, request, upload};

const SECRET: &str = "v1,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A request that came.
#[derive(Clone, Debug)]
struct Told {
    headers: HashMap<String, String>,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["event"]["type"].as_str().unwrap().to_owned()
    }

    fn payload(&self) -> Value {
        self.json()["event"]["payload"].clone()
    }
}

/// The other server.
struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (told, status) = (Arc::<Mutex<Vec<Told>>>::default(), Arc::new(AtomicU16::new(200)));
        let (list, answer) = (Arc::clone(&told), Arc::clone(&status));
        actix_web::rt::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let told = read(&mut stream).await;
                list.lock().unwrap().push(told);
                let status = answer.load(Ordering::SeqCst);
                let head = format!(
                    "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await;
            }
        });
        Self { url, told, status }
    }

    fn settings(&self) -> WebhookSettings {
        WebhookSettings { url: self.url.clone(), ..WebhookSettings::default() }
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

async fn read(stream: &mut TcpStream) -> Told {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers: HashMap<String, String> =
                lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            if body.len() >= headers["content-length"].parse::<usize>().unwrap() {
                return Told { headers, body: body.to_owned() };
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request is cut short");
    }
}

async fn start(webhook: WebhookSettings) -> Api {
    let api = Api::with(Config { webhook, ..Config::default() }).await;
    api.bucket("b", json!({})).await;
    api.bucket("c", json!({})).await;
    api
}

fn relocation(from: &str, to: &str) -> Value {
    json!({ "bucketId": "b", "sourceKey": from, "destinationKey": to, "destinationBucket": "c" })
}

#[actix_web::test]
async fn what_happens_is_told() {
    let receiver = Receiver::start().await;
    let api = start(receiver.settings()).await;
    let service = api.service();
    api.upload("b/one", &service, "first").await.ok();
    api.send(upload("b/one", &service, "second").method(Method::PUT)).await.ok();
    api.send(upload("b/two", &service, "x").method(Method::PUT)).await.ok();
    api.post("/object/copy", &service, relocation("one", "copy")).await.ok();
    api.post("/object/move", &service, relocation("one", "moved")).await.ok();
    api.delete("/object/b/two", &service).await.ok();
    let many = request(Method::DELETE, "/object/c", &service);
    api.send(many.set_json(json!({ "prefixes": ["copy", "moved"] }))).await.ok();
    // None of these happened.
    assert_eq!(api.delete("/object/b/two", &service).await.status, 400);
    assert_eq!(api.upload("b/no", &api.user(USER), "x").await.status, 400);

    assert_eq!(api.storage.tell_events().await.unwrap(), 9);
    assert_eq!(api.storage.tell_events().await.unwrap(), 0);
    let mut told: Vec<(String, String)> = receiver
        .take()
        .iter()
        .map(|told| {
            let payload = told.payload();
            (told.kind(), format!("{}/{}", payload["bucketId"], payload["name"]).replace('"', ""))
        })
        .collect();
    told.sort();
    let expected = [
        ("ObjectCreated:Copy", "c/copy"),
        ("ObjectCreated:Move", "c/moved"),
        ("ObjectCreated:Post", "b/one"),
        ("ObjectCreated:Post", "b/two"),
        ("ObjectCreated:Put", "b/one"),
        ("ObjectRemoved:Delete", "b/two"),
        ("ObjectRemoved:Delete", "c/copy"),
        ("ObjectRemoved:Delete", "c/moved"),
        ("ObjectRemoved:Move", "b/one"),
    ];
    assert_eq!(told, expected.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
}

#[actix_web::test]
async fn an_event_says_what_upstream_says() {
    let receiver = Receiver::start().await;
    let settings = WebhookSettings {
        api_key: Secret::new("the key"),
        secret: Secret::new(SECRET),
        ..receiver.settings()
    };
    let api = start(settings).await;
    let service = api.service();
    api.upload("b/one", &service, "12345").await.ok();
    api.storage.tell_events().await.unwrap();
    let told = receiver.take().remove(0);
    let (body, payload) = (told.json(), told.payload());
    let row = api.value("select version from storage.objects").await;
    assert_eq!(body["type"], "Webhook");
    assert_eq!(body["sentAt"], "2027-01-15T08:00:00.000Z");
    assert_eq!(body["tenant"], json!({ "ref": "stub", "host": "" }));
    assert_eq!((&body["event"]["$version"], &body["event"]["region"]), (&json!("v1"), &json!("local")));
    assert!(body["event"]["applyTime"].as_i64().unwrap() > 1_600_000_000_000);
    assert_eq!((&payload["uploadType"], &payload["version"]), (&json!("standard"), &json!(row)));
    assert_eq!((&payload["metadata"]["size"], &payload["tenant"]["ref"]), (&json!(5), &json!("stub")));
    assert_eq!(told.headers["authorization"], "Bearer the key");
    let content =
        format!("{}.{}.{}", told.headers["webhook-id"], told.headers["webhook-timestamp"], told.body);
    let key = STANDARD.decode(SECRET.trim_start_matches("v1,whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(content.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(told.headers["webhook-signature"], expected);

    api.post("/object/move", &service, relocation("one", "two")).await.ok();
    api.storage.tell_events().await.unwrap();
    let created = receiver.take().into_iter().find(|told| told.kind() == "ObjectCreated:Move").unwrap();
    let old = &created.payload()["oldObject"];
    assert_eq!((&old["bucketId"], &old["name"], &old["version"]), (&json!("b"), &json!("one"), &json!(row)));
}

#[actix_web::test]
async fn what_is_not_taken_is_told_again_and_in_the_end_forgotten() {
    let receiver = Receiver::start().await;
    let api = start(receiver.settings()).await;
    receiver.status.store(302, Ordering::SeqCst);
    api.upload("b/one", &api.service(), "x").await.ok();
    assert_eq!(api.storage.tell_events().await.unwrap(), 0);
    let first = receiver.take().remove(0);
    let waits =
        "select attempts || ' ' || (due_at > now() + interval '5 seconds') from storage.basalt_events";
    assert_eq!(api.value(waits).await, "1 true");
    // Not before its time, and not where it was sent to.
    assert_eq!(api.storage.tell_events().await.unwrap(), 0);
    assert_eq!(receiver.take().len(), 0);
    receiver.status.store(204, Ordering::SeqCst);
    let due = "update storage.basalt_events set due_at = now()";
    api.sql(due).await;
    assert_eq!(api.storage.tell_events().await.unwrap(), 1);
    let second = receiver.take().remove(0);
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);

    receiver.status.store(500, Ordering::SeqCst);
    api.upload("b/two", &api.service(), "x").await.ok();
    api.sql("update storage.basalt_events set created_at = now() - interval '25 hours'").await;
    assert_eq!(api.storage.tell_events().await.unwrap(), 0);
    assert_eq!(api.value("select count(*) from storage.basalt_events").await, "0");
    assert_eq!(receiver.take().len(), 0);
}

#[actix_web::test]
async fn only_what_is_wanted_is_noted() {
    let receiver = Receiver::start().await;
    let settings = WebhookSettings {
        events: vec!["ObjectCreated:Post".to_owned(), "ObjectRemoved:Move".to_owned()],
        buckets: vec!["b".to_owned()],
        ..receiver.settings()
    };
    let api = start(settings).await;
    let service = api.service();
    api.upload("b/one", &service, "x").await.ok();
    api.upload("c/one", &service, "x").await.ok();
    api.post("/object/move", &service, relocation("one", "moved")).await.ok();
    api.delete("/object/c/one", &service).await.ok();
    api.storage.tell_events().await.unwrap();
    let mut kinds: Vec<String> = receiver.take().iter().map(Told::kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["ObjectCreated:Post", "ObjectRemoved:Move"]);

    // Without a webhook nothing is noted, and whoever writes by SQL is not noticed.
    let silent = start(WebhookSettings::default()).await;
    silent.upload("b/one", &silent.service(), "x").await.ok();
    api.sql("insert into storage.objects (bucket_id, name) values ('b', 'by hand')").await;
    assert_eq!(silent.storage.tell_events().await.unwrap(), 0);
    for api in [&silent, &api] {
        assert_eq!(api.value("select count(*) from storage.basalt_events").await, "0");
    }
}

#[actix_web::test]
async fn callers_do_not_see_what_is_to_be_told() {
    let receiver = Receiver::start().await;
    let api = start(receiver.settings()).await;
    for role in ["anon", "authenticated", "service_role"] {
        let mut session = api.database.session_as(role).await;
        for statement in [
            "select 1 from storage.basalt_events",
            "insert into storage.basalt_events (type, payload) values ('x', '{}')",
        ] {
            assert_eq!(testkit::code(session.query(statement, &[]).await), "42501", "{role}: {statement}");
        }
    }
}
