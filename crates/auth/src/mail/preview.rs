//! Mails as they would be, with made-up data: for who writes their texts.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, Letter, Texts, refresh};
use crate::config::Config;
use crate::outbound::Outbound;
use crate::template::RenderError;

/// A mail there is, and where its text comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailText {
    /// What it is called: `confirmation`, `password_changed`, …
    pub template: &'static str,
    /// Its section of the settings, below `auth`.
    pub setting: &'static str,
    /// Where the text comes from: `default`, or the setting that names it.
    pub source: &'static str,
    /// Whether it is sent: notices have to be switched on.
    pub enabled: bool,
}

/// A mail as it would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// What it is called.
    pub template: &'static str,
    /// Its subject.
    pub subject: String,
    /// Its page.
    pub html: String,
    /// The same in plain text.
    pub text: String,
}

/// Why a mail cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// There is none of this name.
    #[error("there is no mail called {0:?}; there are {names}", names = names())]
    Unknown(String),
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The text could not be fetched, or cannot be used; the log says why.
    #[error("the text cannot be had from its `content_url`, or cannot be used")]
    Fetch,
    /// The text exceeds the limits.
    #[error("the text cannot be written: {0}")]
    Render(String),
}

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

/// All mails, as these settings have them.
#[must_use]
pub fn list(config: &Config) -> Vec<MailText> {
    Kind::ALL.into_iter().map(|kind| text(kind, config)).collect()
}

fn text(kind: Kind, config: &Config) -> MailText {
    let configured = kind.template(&config.email);
    let named = [
        (!configured.content_path.as_os_str().is_empty(), "content_path"),
        (!configured.content.is_empty(), "content"),
        (!configured.content_url.is_empty(), "content_url"),
    ];
    MailText {
        template: kind.name(),
        setting: kind.section(),
        source: named.into_iter().find(|(is_set, _)| *is_set).map_or("default", |(_, name)| name),
        enabled: kind.is_enabled(&config.email),
    }
}

/// The mail called `name` with the texts that these settings name as they are now, be they in force or not.
///
/// # Errors
///
/// [`PreviewError`].
pub async fn preview(config: &Config, name: &str) -> Result<Preview, PreviewError> {
    let kind = Kind::named(name).ok_or_else(|| PreviewError::Unknown(name.to_owned()))?;
    let texts = Texts::load(config).map_err(|problems| {
        let lines = problems.iter().map(|problem| format!("auth.{}: {}", problem.key, problem.text));
        PreviewError::Settings(lines.collect::<Vec<_>>().join("; "))
    })?;
    if text(kind, config).source == "content_url" {
        let outbound = Outbound::new().map_err(|error| PreviewError::Settings(error.to_string()))?;
        if !refresh(&texts, &outbound).await {
            return Err(PreviewError::Fetch);
        }
    }
    let letter = letter(&texts, config, kind, "jane@example.com");
    let letter = letter.map_err(|error| PreviewError::Render(error.to_string()))?;
    Ok(Preview::of(letter))
}

/// A mail to somebody, with made-up data.
pub(crate) fn letter(texts: &Texts, config: &Config, kind: Kind, to: &str) -> Result<Letter, RenderError> {
    let api = match config.external_url.as_str() {
        "" => "http://127.0.0.1:8000/auth/v1",
        url => url,
    };
    texts.write(kind, to, &sample(&config.site_url, api))
}

impl Preview {
    pub(crate) fn of(letter: Letter) -> Self {
        let Letter { kind, subject, html, text, .. } = letter;
        Self { template: kind.name(), subject, html, text }
    }
}

/// All that a text may mention.
pub(super) fn sample(site: &str, api: &str) -> Value {
    json!({
        "SiteURL": site,
        "ConfirmationURL": format!("{api}/verify?token=sample&type=signup&redirect_to={site}"),
        "RedirectTo": site, "Email": "jane@example.com", "NewEmail": "new@example.com",
        "OldEmail": "old@example.com", "SendingTo": "new@example.com", "Token": "123456", "TokenHash": "sample",
        "Phone": "15551234567", "OldPhone": "15557654321", "Provider": "google", "FactorType": "totp",
        "UserAgent": "Firefox", "IP": "192.0.2.1", "Time": "2027-01-15T08:00:00Z",
        "Data": { "name": "Jane" },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_mail_can_be_looked_at() {
        let mut config = Config { site_url: "https://app.test".to_owned(), ..Config::default() };
        config.email.template.invite.content = "<p>Hi {{ .Data.name }}, {{ .SiteURL }}</p>".to_owned();
        let list = list(&config);
        assert_eq!(list.len(), 14);
        for text in &list {
            let preview = preview(&config, text.template).await.unwrap();
            assert_eq!(preview.template, text.template);
            assert!(preview.text.contains("https://app.test"), "{preview:?}");
            assert_eq!(text.source == "content", text.template == "invite");
            assert_eq!(text.enabled, text.setting.starts_with("email.template"), "{text:?}");
        }
        let invite = preview(&config, "invite").await.unwrap();
        assert_eq!(invite.html, "<p>Hi Jane, https://app.test</p>");
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let mut config = Config::default();
        let error = preview(&config, "nothing").await.unwrap_err().to_string();
        assert!(
            error.starts_with("there is no mail called \"nothing\"; there are invite, confirmation, "),
            "{error}"
        );
        config.email.template.invite.content = "{{ .Broken".to_owned();
        let error = preview(&config, "invite").await.unwrap_err().to_string();
        assert!(error.starts_with("auth.email.template.invite: content: line 1"), "{error}");
        config.email.template.invite.content = String::new();
        config.email.template.invite.content_url = "http://127.0.0.1:1/nothing".to_owned();
        assert!(matches!(preview(&config, "invite").await, Err(PreviewError::Fetch)));
    }
}
