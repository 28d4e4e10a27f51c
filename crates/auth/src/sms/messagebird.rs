//! MessageBird.

use serde::Deserialize;

use super::{Text, ask, unreadable};
use crate::config::Messagebird;
use crate::outbound::{Outbound, Request};
use crate::outbox::Failure;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sent {
    id: String,
    recipients: Recipients,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Recipients {
    #[serde(rename = "totalSentCount")]
    total_sent_count: u64,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    description: String,
}

pub(super) async fn send(config: &Messagebird, outbound: &Outbound, text: &Text) -> Result<String, Failure> {
    let url = format!("{}/messages", config.api_url.trim_end_matches('/'));
    let fields = [
        ("body", text.body.as_str()),
        ("datacoding", "unicode"),
        ("originator", config.originator.as_str()),
        ("recipients", text.phone.as_str()),
        ("type", "sms"),
    ];
    let request = Request::form(&url, fields)
        .with("authorization", format!("AccessKey {}", config.access_key.expose()));
    let answer = ask(outbound, request).await?;
    if matches!(answer.status, 400 | 401 | 403 | 422) {
        let refused: Refused = answer.json().map_err(|_| unreadable(&answer))?;
        let reasons = refused.errors.into_iter().map(|error| error.description).collect::<Vec<_>>();
        return Err(Failure::Final(reasons.join("; ")));
    }
    let sent: Sent = answer.json().map_err(|_| unreadable(&answer))?;
    if sent.recipients.total_sent_count == 0 {
        return Err(Failure::Final("messagebird error: total sent count is 0".to_owned()));
    }
    Ok(sent.id)
}
