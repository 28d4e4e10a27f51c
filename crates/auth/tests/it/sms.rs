//! Messages to phones: each provider's request to the letter, and what its answers lead to.

use std::sync::Arc;
use std::time::Duration;

use auth::Config;
use kernel::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::harness::{Api, confirming};
use crate::mail::{POSTPONED, deliver};

/// A provider: answers each request with the next of its answers, the last one over and over.
struct Peer {
    url: String,
    asked: Mutex<UnboundedReceiver<Asked>>,
}

#[derive(Debug)]
struct Asked {
    /// Method and path.
    line: String,
    authorization: String,
    body: String,
}

impl Peer {
    async fn start(answers: &[(u16, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = unbounded_channel();
        let answers = Arc::new(std::sync::Mutex::new(answers.to_vec()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    loop {
                        let mut head = Vec::new();
                        loop {
                            let mut line = String::new();
                            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                                return;
                            }
                            if line == "\r\n" {
                                break;
                            }
                            head.push(line.trim_end().to_owned());
                        }
                        let header = |name: &str| {
                            let name = format!("{name}: ");
                            head.iter()
                                .find(|line| line.to_lowercase().starts_with(&name))
                                .map(|line| line[name.len()..].to_owned())
                                .unwrap_or_default()
                        };
                        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
                        stream.read_exact(&mut body).await.unwrap();
                        let (status, answer) = {
                            let mut answers = answers.lock().unwrap();
                            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
                        };
                        let _ = sender.send(Asked {
                            line: head[0].trim_end_matches(" HTTP/1.1").to_owned(),
                            authorization: header("authorization"),
                            body: String::from_utf8(body).unwrap(),
                        });
                        let answer = answer.to_string();
                        let length = answer.len();
                        let answer =
                            format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{answer}");
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, asked: Mutex::new(asked) }
    }

    async fn asked(&self) -> Asked {
        let mut asked = self.asked.lock().await;
        tokio::time::timeout(Duration::from_secs(20), asked.recv()).await.expect("it is asked").unwrap()
    }
}

fn phones() -> Config {
    let mut config = confirming();
    config.sms.template = "{{ .Code }} is yours, ü".to_owned();
    config
}

/// Signs up by phone with a provider that answers so; returns what it was asked, with the code as `CODE`,
/// after the code let its owner in.
async fn round(config: Config, peer: &Peer, channel: &str) -> Asked {
    let api = Api::start(config).await;
    let _delivery = deliver(&api.auth);
    let body = json!({ "phone": "+1 555 123 4567", "channel": channel });
    assert_eq!(api.post("/otp", body).await.ok()["message_id"].as_str().map(str::len), Some(36));
    let mut asked = peer.asked().await;
    let plain = asked.body.replace("%22", " ");
    // An id may hold six digits in a row, too, but has letters or dashes beside them.
    let digits = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let code = plain.split(|c| !is_part(c)).find(digits).unwrap_or_default().to_owned();
    let verify = json!({ "type": "sms", "phone": "15551234567", "token": code });
    assert_eq!(api.post("/verify", verify).await.ok()["user"]["phone"], "15551234567");
    asked.body = asked.body.replace(&code, "CODE");
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    asked
}

fn twilio(url: &str) -> Config {
    let mut config = phones();
    config.sms.twilio.enabled = true;
    config.sms.twilio.account_sid = "AC1".to_owned();
    config.sms.twilio.auth_token = Secret::new("token");
    config.sms.twilio.message_service_sid = "MG1".to_owned();
    config.sms.twilio.api_url = url.to_owned();
    config
}

#[actix_web::test]
async fn twilio_is_asked_as_upstream_asks_it() {
    let peer = Peer::start(&[(201, json!({ "sid": "SM1", "status": "queued" }))]).await;
    let asked = round(twilio(&peer.url), &peer, "sms").await;
    assert_eq!(asked.line, "POST /2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(asked.authorization, "Basic QUMxOnRva2Vu");
    assert_eq!(asked.body, "Body=CODE+is+yours%2C+%C3%BC&Channel=sms&From=MG1&To=%2B15551234567");

    let mut config = twilio(&peer.url);
    let asked = round(config.clone(), &peer, "whatsapp").await;
    assert_eq!(
        asked.body,
        "Body=CODE+is+yours%2C+%C3%BC&Channel=whatsapp&From=MG1&To=whatsapp%3A%2B15551234567"
    );
    config.sms.twilio.message_service_sid = "15557654321".to_owned();
    config.sms.twilio.content_sid = "HX1".to_owned();
    let asked = round(config, &peer, "whatsapp").await;
    assert_eq!(
        asked.body,
        "Channel=whatsapp&ContentSid=HX1&ContentVariables=%7B%221%22%3A+%22CODE%22%7D\
         &From=whatsapp%3A15557654321&To=whatsapp%3A%2B15551234567"
    );
}

#[actix_web::test]
async fn twilio_verify_makes_and_checks_the_code() {
    let approved = json!({ "status": "approved", "valid": true });
    let peer = Peer::start(&[
        (201, json!({ "sid": "VE1", "status": "pending" })),
        (200, json!({ "status": "pending", "valid": false })),
        (200, approved),
    ])
    .await;
    let mut config = phones();
    let own = &mut config.sms.twilio_verify;
    own.enabled = true;
    own.account_sid = "AC1".to_owned();
    own.auth_token = Secret::new("token");
    own.message_service_sid = "VA1".to_owned();
    own.api_url = peer.url.clone();
    let api = Api::start(config).await;
    let _delivery = deliver(&api.auth);
    api.post("/otp", json!({ "phone": "15551234567" })).await.ok();
    let asked = peer.asked().await;
    assert_eq!(
        (asked.line.as_str(), asked.authorization.as_str()),
        ("POST /v2/Services/VA1/Verifications", "Basic QUMxOnRva2Vu")
    );
    assert_eq!(asked.body, "Channel=sms&To=%2B15551234567");
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    let verify = json!({ "type": "sms", "phone": "15551234567", "token": "424242" });
    let wrong = api.post("/verify", verify.clone()).await;
    wrong.refused(403, "otp_expired", "Token has expired or is invalid");
    assert_eq!(api.post("/verify", verify.clone()).await.ok()["user"]["phone"], "15551234567");
    for _ in 0..2 {
        let asked = peer.asked().await;
        assert_eq!(asked.line, "POST /v2/Services/VA1/VerificationCheck");
        assert_eq!(asked.body, "Code=424242&To=%2B15551234567");
    }
    // Once used, it lets nobody in, whatever the provider says.
    assert_eq!(api.post("/verify", verify).await.error(), (403, "otp_expired"));
}

#[actix_web::test]
async fn messagebird_textlocal_and_vonage() {
    let peer = Peer::start(&[(201, json!({ "id": "m1", "recipients": { "totalSentCount": 1 } }))]).await;
    let mut config = phones();
    let own = &mut config.sms.messagebird;
    (own.enabled, own.originator) = (true, "Basalt".to_owned());
    (own.access_key, own.api_url) = (Secret::new("key"), peer.url.clone());
    let asked = round(config, &peer, "").await;
    assert_eq!((asked.line.as_str(), asked.authorization.as_str()), ("POST /messages", "AccessKey key"));
    assert_eq!(
        asked.body,
        "body=CODE+is+yours%2C+%C3%BC&datacoding=unicode&originator=Basalt&recipients=15551234567&type=sms"
    );

    let peer = Peer::start(&[(200, json!({ "status": "success", "messages": [{ "id": "t1" }] }))]).await;
    let mut config = phones();
    let own = &mut config.sms.textlocal;
    (own.enabled, own.sender) = (true, "Basalt".to_owned());
    (own.api_key, own.api_url) = (Secret::new("key"), peer.url.clone());
    let asked = round(config, &peer, "").await;
    assert_eq!(asked.line, "POST /send");
    assert_eq!(asked.body, "apikey=key&message=CODE+is+yours%2C+%C3%BC&numbers=15551234567&sender=Basalt");

    let peer = Peer::start(&[(200, json!({ "messages": [{ "message-id": "v1", "status": "0" }] }))]).await;
    let mut config = phones();
    let own = &mut config.sms.vonage;
    (own.enabled, own.from) = (true, "Basalt".to_owned());
    (own.api_key, own.api_secret, own.api_url) =
        (Secret::new("key"), Secret::new("secret"), peer.url.clone());
    let asked = round(config.clone(), &peer, "").await;
    assert_eq!(asked.line, "POST /sms/json");
    assert_eq!(
        asked.body,
        "api_key=key&api_secret=secret&from=Basalt&text=CODE+is+yours%2C+%C3%BC&to=15551234567&type=unicode"
    );
    config.sms.template = "Your code is {{ .Code }}".to_owned();
    let asked = round(config, &peer, "").await;
    assert_eq!(asked.body, "api_key=key&api_secret=secret&from=Basalt&text=Your+code+is+CODE&to=15551234567");
}

#[actix_web::test]
async fn a_program_of_the_operator_s() {
    let peer = Peer::start(&[(202, json!({ "message_id": "x" }))]).await;
    let mut config = phones();
    config.sms.http.enabled = true;
    config.sms.http.url = format!("{}/sms?x=y", peer.url);
    config.sms.http.authorization = Secret::new("Bearer t");
    let asked = round(config, &peer, "whatsapp").await;
    assert_eq!((asked.line.as_str(), asked.authorization.as_str()), ("POST /sms?x=y", "Bearer t"));
    let mut body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["id"].take().as_str().unwrap().len(), 36);
    assert_eq!(
        body,
        json!({ "id": null, "phone": "+15551234567", "message": "CODE is yours, ü", "otp": "CODE", "channel": "whatsapp" })
    );
}

#[actix_web::test]
async fn what_a_provider_refuses_is_dropped_and_what_it_cannot_do_now_is_tried_again() {
    let refusal = json!({ "code": 21211, "message": "bad number", "more_info": "https://x.test" });
    let peer = Peer::start(&[(400, refusal)]).await;
    let api = Api::start(twilio(&peer.url)).await;
    let delivery = deliver(&api.auth);
    api.post("/otp", json!({ "phone": "15551234567" })).await.ok();
    peer.asked().await;
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    drop(delivery);

    let peer = Peer::start(&[(503, json!({})), (201, json!({ "sid": "SM1" }))]).await;
    let api = Api::start(twilio(&peer.url)).await;
    let _delivery = deliver(&api.auth);
    api.post("/otp", json!({ "phone": "15551234567" })).await.ok();
    let first = peer.asked().await;
    api.until(POSTPONED, "1").await;
    api.advance(6);
    assert_eq!(peer.asked().await.body, first.body);
    api.until("select count(*) from auth.basalt_outbox", "0").await;
}

#[actix_web::test]
async fn limits_and_channels() {
    let peer = Peer::start(&[(201, json!({ "sid": "SM1" }))]).await;
    let mut config = twilio(&peer.url);
    config.rate_limit.sms_sent = 1;
    config.sms.test_otp.insert("15550000000".to_owned(), "111111".to_owned());
    let api = Api::start(config).await;
    api.post("/otp", json!({ "phone": "15551234567" })).await.ok();
    let soon = api.post("/otp", json!({ "phone": "15551234567" })).await;
    soon.refused(
        429,
        "over_sms_send_rate_limit",
        "For security purposes, you can only request this after 60 seconds.",
    );
    let many = api.post("/otp", json!({ "phone": "15557654321" })).await;
    many.refused(429, "over_sms_send_rate_limit", "SMS rate limit exceeded");
    // Test numbers cost nothing.
    api.post("/otp", json!({ "phone": "15550000000" })).await.ok();
    let text = "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio \
                or Twilio Verify is used as the provider.";
    let odd = api.post("/otp", json!({ "phone": "15551234567", "channel": "pigeon" })).await;
    odd.refused(400, "validation_failed", text);
    let api = Api::start(phones()).await;
    let odd = api.post("/otp", json!({ "phone": "15551234567", "channel": "whatsapp" })).await;
    odd.refused(400, "validation_failed", text);
    assert_eq!(api.get("/settings", "").await.ok()["sms_provider"], "");
    let api = Api::start(twilio(&peer.url)).await;
    assert_eq!(api.get("/settings", "").await.ok()["sms_provider"], "twilio");
}
