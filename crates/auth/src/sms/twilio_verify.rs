//! Twilio Verify: makes the code, sends it, and says whether it is right.

use serde::Deserialize;

use super::twilio::accepted;
use super::{Text, ask, basic, unreadable};
use crate::config::TwilioVerify;
use crate::outbound::{Outbound, Request};
use crate::outbox::Failure;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Verification {
    sid: String,
    status: String,
    valid: bool,
}

fn url(config: &TwilioVerify, what: &str) -> String {
    format!("{}/v2/Services/{}/{what}", config.api_url.trim_end_matches('/'), config.message_service_sid)
}

pub(super) async fn send(config: &TwilioVerify, outbound: &Outbound, text: &Text) -> Result<String, Failure> {
    let (url, to) = (url(config, "Verifications"), format!("+{}", text.phone));
    let request = Request::form(&url, [("Channel", text.channel.name()), ("To", &to)])
        .with("authorization", basic(&config.account_sid, &config.auth_token));
    let answer = ask(outbound, request).await?;
    accepted(&answer)?;
    let verification: Verification = answer.json().map_err(|_| unreadable(&answer))?;
    Ok(verification.sid)
}

/// Whether the code is right. What cannot be asked is not right.
pub(super) async fn check(config: &TwilioVerify, outbound: &Outbound, phone: &str, code: &str) -> bool {
    let (url, to) = (url(config, "VerificationCheck"), format!("+{phone}"));
    let request = Request::form(&url, [("Code", code), ("To", &to)])
        .with("authorization", basic(&config.account_sid, &config.auth_token));
    let answer = match outbound.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a code could not be checked with Twilio Verify");
            return false;
        }
    };
    let right = |verification: Verification| verification.status == "approved" && verification.valid;
    answer.is_success() && answer.json().is_ok_and(right)
}
