//! A program of the operator's that is told of each message.

use serde_json::{Value, json};

use super::{Text, ask};
use crate::config::HttpSms;
use crate::outbound::{Outbound, Request};
use crate::outbox::Failure;

pub(super) async fn send(
    config: &HttpSms,
    outbound: &Outbound,
    id: &str,
    text: &Text,
) -> Result<String, Failure> {
    let body = json!({
        "id": id,
        "phone": format!("+{}", text.phone),
        "message": text.body,
        "otp": text.code,
        "channel": text.channel.name(),
    });
    let mut request = Request::new(reqwest::Method::POST, &config.url)
        .with("content-type", "application/json")
        .with("idempotency-key", id);
    if !config.authorization.is_empty() {
        request = request.with("authorization", config.authorization.expose());
    }
    request.body = body.to_string().into_bytes();
    let answer = ask(outbound, request).await?;
    if !answer.is_success() {
        return Err(Failure::Final(format!("status {}", answer.status)));
    }
    let said: Value = answer.json().unwrap_or_default();
    let given = ["message_id", "id", "sid"].iter().find_map(|name| said[name].as_str());
    Ok(given.unwrap_or(id).to_owned())
}
