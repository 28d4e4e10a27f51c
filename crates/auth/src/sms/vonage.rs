//! Vonage.

use serde::Deserialize;

use super::{Text, ask, unreadable};
use crate::config::Vonage;
use crate::outbound::{Outbound, Request};
use crate::outbox::Failure;

#[derive(Deserialize)]
struct Sent {
    messages: Vec<Message>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    #[serde(rename = "message-id")]
    id: String,
    status: String,
    #[serde(rename = "error-text")]
    error: String,
}

pub(super) async fn send(config: &Vonage, outbound: &Outbound, text: &Text) -> Result<String, Failure> {
    /// Too many messages per second.
    const THROTTLED: &str = "1";
    let url = format!("{}/sms/json", config.api_url.trim_end_matches('/'));
    let mut fields = vec![
        ("api_key", config.api_key.expose()),
        ("api_secret", config.api_secret.expose()),
        ("from", config.from.as_str()),
        ("text", text.body.as_str()),
        ("to", text.phone.as_str()),
    ];
    if !text.body.is_ascii() {
        fields.push(("type", "unicode"));
    }
    let answer = ask(outbound, Request::form(&url, fields)).await?;
    let sent: Sent = answer.json().map_err(|_| unreadable(&answer))?;
    let Some(message) = sent.messages.into_iter().next() else {
        return Err(Failure::Again("vonage error: Internal Error".to_owned()));
    };
    let Message { id, status, error } = message;
    let text = format!("vonage error: {error} (status: {status}) for message {id}");
    match status.as_str() {
        "0" => Ok(id),
        THROTTLED => Err(Failure::Again(text)),
        _ => Err(Failure::Final(text)),
    }
}
