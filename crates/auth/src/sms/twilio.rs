//! Twilio, Programmable Messaging.

use serde::Deserialize;
use serde_json::Value;

use super::{Channel, Text, ask, basic, unreadable};
use crate::config::Twilio;
use crate::identifier;
use crate::outbound::{Answer, Outbound, Request};
use crate::outbox::Failure;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    sid: String,
    status: String,
    error_code: Value,
    error_message: Value,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Refusal {
    message: String,
    more_info: String,
}

pub(super) async fn send(config: &Twilio, outbound: &Outbound, text: &Text) -> Result<String, Failure> {
    let url = format!(
        "{}/2010-04-01/Accounts/{}/Messages.json",
        config.api_url.trim_end_matches('/'),
        config.account_sid
    );
    let (mut to, mut from) = (format!("+{}", text.phone), config.message_service_sid.clone());
    let variables = format!("{{\"1\": \"{}\"}}", text.code);
    let mut fields = vec![("Channel", text.channel.name())];
    if text.channel == Channel::WhatsApp {
        to = format!("whatsapp:{to}");
        // A number carries the channel; the id of a messaging service does not.
        if identifier::phone(&from).is_ok() {
            from = format!("whatsapp:{from}");
        }
    }
    if text.channel == Channel::WhatsApp && !config.content_sid.is_empty() {
        fields.extend([("ContentSid", config.content_sid.as_str()), ("ContentVariables", &variables)]);
    } else {
        fields.push(("Body", &text.body));
    }
    fields.extend([("From", from.as_str()), ("To", to.as_str())]);
    fields.sort_unstable();
    let request =
        Request::form(&url, fields).with("authorization", basic(&config.account_sid, &config.auth_token));
    let answer = ask(outbound, request).await?;
    accepted(&answer)?;
    let status: Status = answer.json().map_err(|_| unreadable(&answer))?;
    if matches!(status.status.as_str(), "failed" | "undelivered") {
        let Status { sid, error_message, error_code, .. } = status;
        return Err(Failure::Final(format!("twilio error: {error_message} {error_code} for message {sid}")));
    }
    Ok(status.sid)
}

/// Twilio's way of saying no.
pub(super) fn accepted(answer: &Answer) -> Result<(), Failure> {
    if matches!(answer.status, 200 | 201) {
        return Ok(());
    }
    let refusal: Refusal = answer.json().map_err(|_| unreadable(answer))?;
    Err(Failure::Final(format!("{} More information: {}", refusal.message, refusal.more_info)))
}
