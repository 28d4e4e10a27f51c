//! Textlocal.

use serde::Deserialize;

use super::{Text, ask, unreadable};
use crate::config::Textlocal;
use crate::outbound::{Outbound, Request};
use crate::outbox::Failure;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sent {
    status: String,
    errors: Vec<Refusal>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
struct Message {
    id: serde_json::Value,
}

pub(super) async fn send(config: &Textlocal, outbound: &Outbound, text: &Text) -> Result<String, Failure> {
    let url = format!("{}/send", config.api_url.trim_end_matches('/'));
    let fields = [
        ("apikey", config.api_key.expose()),
        ("message", text.body.as_str()),
        ("numbers", text.phone.as_str()),
        ("sender", config.sender.as_str()),
    ];
    let answer = ask(outbound, Request::form(&url, fields)).await?;
    let sent: Sent = answer.json().map_err(|_| unreadable(&answer))?;
    if sent.status != "success" {
        let reasons: Vec<_> =
            sent.errors.iter().map(|error| format!("{} (code: {})", error.message, error.code)).collect();
        return Err(Failure::Final(format!("textlocal error: {}", reasons.join("; "))));
    }
    let id = sent.messages.into_iter().next().map(|message| message.id).unwrap_or_default();
    Ok(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}
