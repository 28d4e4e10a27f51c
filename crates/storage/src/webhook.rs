//! Telling another server what happened to objects, in upstream's words.
//!
//! A trigger notes events in the transaction in which they happen, so what is told has happened, and what has
//! happened is told: at least once, as soon as the other server takes it (a status of 2xx), for as long as
//! the settings say. Each request has an id that is the same at every attempt (`webhook-id`) and, with a
//! secret, a signature after Standard Webhooks. Redirects are not followed: nobody chose where they lead.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Clock;
use reqwest::{Client, redirect};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::config::WebhookSettings;
use crate::store::events::Event;
use crate::upload::moment;

const CONNECT: Duration = Duration::from_secs(2);
/// With the time to connect.
const LIMIT: Duration = Duration::from_secs(6);

/// Where events are told.
pub(crate) struct Webhook {
    settings: WebhookSettings,
    key: Option<Vec<u8>>,
    client: Client,
    /// What upstream calls the tenant.
    tenant: Value,
    region: String,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.settings.url).finish_non_exhaustive()
    }
}

/// The key that a secret stands for, in the notation of Standard Webhooks: `v1,whsec_` and its Base64.
pub(crate) fn key(secret: &str) -> Option<Vec<u8>> {
    let text = secret.strip_prefix("v1,").unwrap_or(secret).strip_prefix("whsec_")?;
    STANDARD.decode(text).ok().filter(|key| (24..=64).contains(&key.len()))
}

impl Webhook {
    /// The one that the settings describe; `None` if they switch it off.
    ///
    /// # Errors
    ///
    /// If there can be no client.
    pub(crate) fn new(
        settings: &WebhookSettings,
        (tenant, host): (&str, &str),
        region: &str,
    ) -> Result<Option<Self>, reqwest::Error> {
        if settings.url.is_empty() {
            return Ok(None);
        }
        let client = Client::builder()
            .user_agent(concat!("basalt/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(LIMIT)
            .build()?;
        Ok(Some(Self {
            key: key(settings.secret.expose()),
            settings: settings.clone(),
            client,
            tenant: json!({ "ref": tenant, "host": host }),
            region: region.to_owned(),
        }))
    }

    /// How long an event is told that nobody takes.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.give_up_after.0
    }

    /// What the trigger is told of a request: who asks, and what of it is to be noted.
    pub(crate) fn wanted(&self, operation: &str, request_id: &str) -> String {
        let kind = match operation {
            _ if operation.starts_with("storage.s3.") => "s3",
            _ if operation.starts_with("storage.tus.") => "resumable",
            _ => "standard",
        };
        json!({
            "events": self.settings.events,
            "buckets": self.settings.buckets,
            "request": { "tenant": self.tenant, "reqId": request_id, "uploadType": kind },
        })
        .to_string()
    }

    /// Tells an event.
    ///
    /// # Errors
    ///
    /// Why it did not arrive; no secret is in it.
    pub(crate) async fn tell(&self, event: &Event, clock: &Clock) -> Result<(), String> {
        let body = json!({
            "type": "Webhook",
            "event": {
                "$version": "v1",
                "type": event.kind,
                "region": self.region,
                "payload": event.payload,
                "applyTime": event.at,
            },
            "sentAt": moment(clock.now().into()),
            "tenant": self.tenant,
        })
        .to_string();
        let timestamp = clock.unix().to_string();
        let mut request = self
            .client
            .post(&self.settings.url)
            .header("content-type", "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", &timestamp);
        if !self.settings.api_key.is_empty() {
            request = request.bearer_auth(self.settings.api_key.expose());
        }
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &event.id, &timestamp, &body));
        }
        // What it says beyond its status is not read.
        let answer = request.body(body).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    // Keys of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_signature_of_the_standard() {
        let key = key("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let made = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_have_their_notation() {
        for bad in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "v1,MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(key(bad), None, "{bad}");
        }
        assert_eq!(key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().len(), 24);
    }
}
