//! Messages to phones: the providers, one file each.
//!
//! Requests are upstream's to the letter, so that what an operator set up at a provider keeps
//! working. Addresses of the APIs are settings; answers are bounded by [`crate::outbound`].

mod http;
mod messagebird;
mod textlocal;
mod twilio;
mod twilio_verify;
mod vonage;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kernel::{Problem, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{self, Sms};
use crate::outbound::{Answer, Outbound, Request};
use crate::outbox::Failure;
use crate::template::{Format, RenderError, Template};

/// How a message travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Channel {
    #[default]
    Sms,
    WhatsApp,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::WhatsApp => "whatsapp",
        }
    }
}

/// A message that is written, as it waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text {
    /// The number in digits.
    pub(crate) phone: String,
    pub(crate) channel: Channel,
    pub(crate) body: String,
    /// The code alone, for providers that have texts of their own.
    pub(crate) code: String,
}

/// The provider in force.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    Twilio(config::Twilio),
    TwilioVerify(config::TwilioVerify),
    Messagebird(config::Messagebird),
    Textlocal(config::Textlocal),
    Vonage(config::Vonage),
    Http(config::HttpSms),
}

impl Provider {
    /// The one that is switched on; the first, if there are several, which `check` refuses.
    pub(crate) fn of(sms: &Sms) -> Option<Self> {
        enabled(sms).into_iter().next()
    }

    /// The name, as settings and `GET /settings` spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
            Self::TwilioVerify(_) => "twilio_verify",
            Self::Messagebird(_) => "messagebird",
            Self::Textlocal(_) => "textlocal",
            Self::Vonage(_) => "vonage",
            Self::Http(_) => "http",
        }
    }

    /// Whether messages can travel this way.
    pub(crate) fn supports(&self, channel: Channel) -> bool {
        channel == Channel::Sms || matches!(self, Self::Twilio(_) | Self::TwilioVerify(_) | Self::Http(_))
    }

    /// Sends a message; returns the provider's id of it. `id` is ours, the same at every attempt.
    ///
    /// # Errors
    ///
    /// Whether it makes sense to try again, and what the provider says.
    pub(crate) async fn send(&self, outbound: &Outbound, id: &str, text: &Text) -> Result<String, Failure> {
        match self {
            Self::Twilio(config) => twilio::send(config, outbound, text).await,
            Self::TwilioVerify(config) => twilio_verify::send(config, outbound, text).await,
            Self::Messagebird(config) => messagebird::send(config, outbound, text).await,
            Self::Textlocal(config) => textlocal::send(config, outbound, text).await,
            Self::Vonage(config) => vonage::send(config, outbound, text).await,
            Self::Http(config) => http::send(config, outbound, id, text).await,
        }
    }

    /// Whether `code` is the one that went to `phone`, of a provider that makes the codes; none where
    /// we do.
    pub(crate) async fn check(&self, outbound: &Outbound, phone: &str, code: &str) -> Option<bool> {
        match self {
            Self::TwilioVerify(config) => Some(twilio_verify::check(config, outbound, phone, code).await),
            _ => None,
        }
    }

    /// Settings without which it cannot work: their names and values.
    fn needs(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Twilio(own) => vec![
                ("sms.twilio.account_sid", own.account_sid.as_str()),
                ("sms.twilio.auth_token", own.auth_token.expose()),
                ("sms.twilio.message_service_sid", own.message_service_sid.as_str()),
                ("sms.twilio.api_url", own.api_url.as_str()),
            ],
            Self::TwilioVerify(own) => vec![
                ("sms.twilio_verify.account_sid", own.account_sid.as_str()),
                ("sms.twilio_verify.auth_token", own.auth_token.expose()),
                ("sms.twilio_verify.message_service_sid", own.message_service_sid.as_str()),
                ("sms.twilio_verify.api_url", own.api_url.as_str()),
            ],
            Self::Messagebird(own) => vec![
                ("sms.messagebird.access_key", own.access_key.expose()),
                ("sms.messagebird.originator", own.originator.as_str()),
                ("sms.messagebird.api_url", own.api_url.as_str()),
            ],
            Self::Textlocal(own) => vec![
                ("sms.textlocal.api_key", own.api_key.expose()),
                ("sms.textlocal.sender", own.sender.as_str()),
                ("sms.textlocal.api_url", own.api_url.as_str()),
            ],
            Self::Vonage(own) => vec![
                ("sms.vonage.api_key", own.api_key.expose()),
                ("sms.vonage.api_secret", own.api_secret.expose()),
                ("sms.vonage.from", own.from.as_str()),
                ("sms.vonage.api_url", own.api_url.as_str()),
            ],
            Self::Http(own) => vec![("sms.http.url", own.url.as_str())],
        }
    }
}

fn enabled(sms: &Sms) -> Vec<Provider> {
    let all = [
        sms.twilio.enabled.then(|| Provider::Twilio(sms.twilio.clone())),
        sms.twilio_verify.enabled.then(|| Provider::TwilioVerify(sms.twilio_verify.clone())),
        sms.messagebird.enabled.then(|| Provider::Messagebird(sms.messagebird.clone())),
        sms.textlocal.enabled.then(|| Provider::Textlocal(sms.textlocal.clone())),
        sms.vonage.enabled.then(|| Provider::Vonage(sms.vonage.clone())),
        sms.http.enabled.then(|| Provider::Http(sms.http.clone())),
    ];
    all.into_iter().flatten().collect()
}

/// Everything that keeps the settings of messages from being used.
pub(crate) fn check(sms: &Sms) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(check_template("sms.template", &sms.template));
    let enabled = enabled(sms);
    if enabled.len() > 1 {
        let names: Vec<_> = enabled.iter().map(Provider::name).collect();
        problems.push(Problem {
            key: "sms",
            text: format!("several providers are enabled: {}", names.join(", ")),
        });
    }
    for (key, value) in enabled.iter().flat_map(Provider::needs) {
        let is_url = key.ends_with("url");
        let http = url::Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if value.is_empty() {
            problems.push(Problem { key, text: "is needed by this provider".to_owned() });
        } else if is_url && !http {
            problems.push(Problem { key, text: format!("`{value}` is not an HTTP address") });
        }
    }
    problems
}

/// What keeps a template of messages from being used.
pub(crate) fn check_template(key: &'static str, text: &str) -> Option<Problem> {
    template(text).err().map(|text| Problem { key, text })
}

/// The template of messages.
pub(crate) fn template(text: &str) -> Result<Template, String> {
    let template = Template::parse(text, Format::Text).map_err(|error| error.to_string())?;
    write(&template, "123456").map_err(|error| error.to_string())?;
    Ok(template)
}

/// The text of a message.
///
/// # Errors
///
/// If the template exceeds the limits.
pub(crate) fn write(template: &Template, code: &str) -> Result<String, RenderError> {
    template.render(&json!({ "Code": code }))
}

/// `Authorization` with a name and a password.
fn basic(name: &str, password: &Secret) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{}", password.expose())))
}

/// Makes the request; an answer that may be another one next time is a failure already.
async fn ask(outbound: &Outbound, request: Request<'_>) -> Result<Answer, Failure> {
    let answer = outbound.send(request).await.map_err(|error| Failure::Again(error.to_string()))?;
    match answer.status {
        408 | 429 | 500.. => Err(Failure::Again(format!("status {}", answer.status))),
        _ => Ok(answer),
    }
}

/// An answer that is not the JSON it should be.
fn unreadable(answer: &Answer) -> Failure {
    Failure::Final(format!("status {} with an answer that cannot be read", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_needs_is_asked_for() {
        let mut sms = Sms::default();
        assert_eq!(check(&sms), []);
        sms.twilio.enabled = true;
        let keys = |sms: &Sms| check(sms).into_iter().map(|problem| problem.key).collect::<Vec<_>>();
        assert_eq!(
            keys(&sms),
            ["sms.twilio.account_sid", "sms.twilio.auth_token", "sms.twilio.message_service_sid"]
        );
        sms.http.enabled = true;
        sms.http.url = "nonsense".to_owned();
        assert!(keys(&sms).starts_with(&["sms"]) && keys(&sms).ends_with(&["sms.http.url"]));
        let broken = Sms { template: "{{ .Code".to_owned(), ..Sms::default() };
        assert_eq!(keys(&broken), ["sms.template"]);
    }

    #[test]
    fn whatsapp_is_not_everybody_s() {
        let provider = |change: fn(&mut Sms)| {
            let mut sms = Sms::default();
            change(&mut sms);
            Provider::of(&sms).is_some_and(|provider| provider.supports(Channel::WhatsApp))
        };
        assert!(provider(|sms| sms.twilio.enabled = true));
        assert!(provider(|sms| sms.twilio_verify.enabled = true));
        assert!(!provider(|sms| sms.vonage.enabled = true));
        assert!(!provider(|_| {}));
    }
}
