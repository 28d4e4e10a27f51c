//! Addresses that mail is not sent to.

use std::net::SocketAddr;

use auth::Config;
use kernel::Secret;
use serde_json::json;
use tokio::net::UdpSocket;

use crate::harness::{Answer, Api, confirming};
use crate::receiver::Receiver;

/// A name server that knows three domains: `good.dev`, `blocked.dev` and `bare.dev`, which has an address and no
/// server for mail. It keeps silent about `slow.dev`.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let question = &buffer[..length];
            let is_about = |name: &[u8]| question[12..].starts_with(name);
            let kind = question[length - 3];
            let data: Option<&[u8]> = match kind {
                15 if is_about(b"\x04good") => Some(b"\0\x0a\x02mx\xc0\x0c"),
                15 if is_about(b"\x07blocked") => Some(b"\0\x0a\x02MX\x03bad\x03dev\0"),
                1 if is_about(b"\x04bare") => Some(&[192, 0, 2, 1]),
                _ => None,
            };
            if is_about(b"\x04slow") {
                continue;
            }
            let is_known = data.is_some() || is_about(b"\x04bare");
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x81, if is_known { 0x80 } else { 0x83 }]);
            if let Some(data) = data {
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
                answer.push(u8::try_from(data.len()).unwrap());
                answer.extend(data);
            }
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    address
}

async fn extended() -> Config {
    let mut config = confirming();
    config.email.validation.extended = true;
    config.email.validation.dns_server = name_server().await.to_string();
    config.email.validation.blocked_mx = vec!["mx.bad.dev.".to_owned()];
    config
}

async fn sign_up(api: &Api, email: &str) -> Answer {
    api.post("/signup", json!({ "email": email, "password": "password" })).await
}

#[track_caller]
fn refused(answer: &Answer, email: &str) {
    answer.refused(400, "email_address_invalid", &format!("Email address \"{email}\" is invalid"));
}

#[actix_web::test]
async fn domains_that_take_no_mail() {
    let api = Api::start(extended().await).await;
    for email in ["jane@good.dev", "jane@bare.dev", "someone@gmail.com.au.good.dev"] {
        let known = email != "someone@gmail.com.au.good.dev";
        let answer = sign_up(&api, email).await;
        if known { drop(answer.ok()) } else { refused(&answer, email) }
    }
    for email in
        ["jane@blocked.dev", "jane@nowhere.dev", "test@gmail.com", "jane@example.com", "jane@shop.test"]
    {
        refused(&sign_up(&api, email).await, email);
        // Whoever has no account is told the same.
        refused(&api.post("/recover", json!({ "email": email })).await, email);
        refused(&api.post("/otp", json!({ "email": email })).await, email);
    }
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("2"));
}

/// What cannot be found out keeps nobody out.
#[actix_web::test]
async fn a_name_server_that_keeps_silent() {
    let api = Api::start(extended().await).await;
    sign_up(&api, "jane@slow.dev").await.ok();
}

#[actix_web::test]
async fn a_service_is_asked() {
    let receiver = Receiver::start().await;
    let mut config = confirming();
    let validation = &mut config.email.validation;
    validation.service_url = receiver.url.clone();
    validation.service_headers.insert("x-key".to_owned(), vec![Secret::new("s3cret")]);
    let api = Api::start(config).await;
    receiver.answers(json!({ "valid": false }));
    refused(&sign_up(&api, "jane@example.com").await, "jane@example.com");
    let asked = receiver.only();
    assert_eq!(
        (asked.json(), asked.headers["x-key"].as_str()),
        (json!({ "email": "jane@example.com" }), "s3cret")
    );
    for (n, (status, body)) in
        [(200, "{\"valid\":true}"), (200, "{}"), (200, "no"), (500, "{\"valid\":false}")]
            .into_iter()
            .enumerate()
    {
        receiver.answers_with(status, "application/json", body);
        sign_up(&api, &format!("jane{n}@example.com")).await.ok();
    }
    // Where a session is begun without a mail, nobody is asked.
    receiver.seen();
    api.post("/signup", json!({})).await.ok();
    assert_eq!(receiver.seen().len(), 0);
}
