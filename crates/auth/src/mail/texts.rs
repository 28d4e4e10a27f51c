//! The templates in force.

use std::fs;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kernel::Problem;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::preview::sample;
use super::wording::{self, Wording};
use super::{Kind, Letter, plain};
use crate::config::Config;
use crate::outbound::{Outbound, Request};
use crate::template::{Format, MAX_TEMPLATE, RenderError, Template};

/// The templates of all mails.
pub(crate) struct Texts(Vec<Text>);

struct Text {
    kind: Kind,
    subject: Template,
    body: ArcSwap<Body>,
    /// Where the body is fetched.
    url: Option<String>,
}

struct Body {
    html: Template,
    /// The operator's templates are pages alone.
    plain: Option<Template>,
}

impl Texts {
    /// Reads, parses and tries all templates.
    ///
    /// # Errors
    ///
    /// Every template that cannot be used, by the name of its setting.
    pub(crate) fn load(config: &Config) -> Result<Self, Vec<Problem>> {
        let (mut texts, mut problems) = (Vec::new(), Vec::new());
        for kind in Kind::ALL {
            match Text::load(kind, config) {
                Ok(text) => texts.push(text),
                Err(text) => problems.push(Problem { key: kind.section(), text }),
            }
        }
        if problems.is_empty() { Ok(Self(texts)) } else { Err(problems) }
    }

    /// Writes a mail.
    ///
    /// # Errors
    ///
    /// If a template exceeds the limits with these values.
    pub(crate) fn write(&self, kind: Kind, to: &str, data: &Value) -> Result<Letter, RenderError> {
        let Some(text) = self.0.iter().find(|text| text.kind == kind) else {
            return Err(RenderError::Endless);
        };
        text.write(to, data)
    }

    /// The mails whose bodies are fetched, with their addresses.
    fn fetched(&self) -> impl Iterator<Item = (&Text, &str)> {
        self.0.iter().filter_map(|text| Some((text, text.url.as_deref()?)))
    }
}

impl Text {
    fn load(kind: Kind, config: &Config) -> Result<Self, String> {
        let own = wording::of(kind);
        let configured = kind.template(&config.email);
        let subject = Some(configured.subject.as_str()).filter(|subject| !subject.is_empty());
        let subject = Template::parse(subject.unwrap_or(own.subject), Format::Text);
        let subject = subject.map_err(|error| format!("subject: {error}"))?;
        let path = &configured.content_path;
        let named = [
            !path.as_os_str().is_empty(),
            !configured.content.is_empty(),
            !configured.content_url.is_empty(),
        ];
        let body = match named {
            [false, false, false] => Body::own(&own)?,
            [true, false, false] => {
                let problem = |text: String| format!("content_path {}: {text}", path.display());
                let html = read(path).map_err(problem)?;
                Body::parse(&html).map_err(problem)?
            }
            [false, true, false] => {
                Body::parse(&configured.content).map_err(|error| format!("content: {error}"))?
            }
            // Until it is fetched.
            [false, false, true] => Body::own(&own)?,
            _ => return Err("name one of content_path, content and content_url".to_owned()),
        };
        let url = match configured.content_url.as_str() {
            "" => None,
            url => Some(absolute(config, url)?),
        };
        let text = Self { kind, subject, body: ArcSwap::from_pointee(body), url };
        text.try_out()?;
        Ok(text)
    }

    /// Renders it once, so that what exceeds the limits is known before somebody waits for a mail.
    fn try_out(&self) -> Result<(), String> {
        let data = sample("https://example.com", "https://example.com");
        self.write("jane@example.com", &data).map(drop).map_err(|error| error.to_string())
    }

    fn write(&self, to: &str, data: &Value) -> Result<Letter, RenderError> {
        let body = self.body.load();
        let html = body.html.render(data)?;
        let text = match &body.plain {
            Some(template) => template.render(data)?,
            None => plain::of(&html),
        };
        Ok(Letter::new(self.kind, to, &self.subject.render(data)?, html, text))
    }
}

impl Body {
    fn own(wording: &Wording) -> Result<Self, String> {
        let html = Template::parse(&wording.html(), Format::Html).map_err(|error| error.to_string())?;
        let plain = Template::parse(&wording.text(), Format::Text).map_err(|error| error.to_string())?;
        Ok(Self { html, plain: Some(plain) })
    }

    fn parse(html: &str) -> Result<Self, String> {
        let html = Template::parse(html, Format::Html).map_err(|error| error.to_string())?;
        Ok(Self { html, plain: None })
    }
}

fn read(path: &std::path::Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_TEMPLATE as u64 {
        return Err(format!("longer than {MAX_TEMPLATE} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Upstream takes what does not begin with `http` as a path of the site.
fn absolute(config: &Config, url: &str) -> Result<String, String> {
    let url = if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", config.site_url) };
    match Url::parse(&url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(url),
        _ => Err(format!("content_url: `{url}` is not an HTTP address")),
    }
}

/// Fetches the bodies that come from elsewhere. What cannot be had or used changes nothing.
/// Returns whether all were had.
pub(crate) async fn refresh(texts: &Texts, outbound: &Outbound) -> bool {
    let mut all = true;
    for (text, url) in texts.fetched() {
        match fetch(outbound, url).await {
            Ok(body) => text.body.store(Arc::new(body)),
            Err(reason) => {
                tracing::error!(setting = text.kind.section(), %reason, "the template of a mail cannot be used");
                all = false;
            }
        }
    }
    all
}

async fn fetch(outbound: &Outbound, url: &str) -> Result<Body, String> {
    let answer = outbound.send(Request::new(Method::GET, url)).await.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    Body::parse(&String::from_utf8_lossy(&answer.body))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data() -> Value {
        json!({
            "SiteURL": "https://app.test", "ConfirmationURL": "https://api.test/verify?token=t&type=signup",
            "Email": "jane@example.com", "NewEmail": "new@example.com", "OldEmail": "old@example.com",
            "Token": "123456", "Provider": "github", "FactorType": "totp", "Phone": "1555", "OldPhone": "",
            "Data": { "name": "<script>alert(1)</script>" },
        })
    }

    #[test]
    fn every_mail_of_ours_says_what_it_is_for_twice() {
        let texts = Texts::load(&Config::default()).unwrap();
        for kind in Kind::ALL {
            let letter = texts.write(kind, "jane@example.com", &data()).unwrap();
            assert!(!letter.subject.is_empty() && !letter.subject.contains("{{"), "{kind:?}");
            for body in [&letter.html, &letter.text] {
                assert!(!body.contains("{{") && body.contains("https://app.test"), "{kind:?}: {body}");
                let coded = kind == Kind::Reauthentication;
                let linked = !coded && kind.section().starts_with("email.template");
                assert_eq!(body.contains("123456"), linked || coded, "{kind:?}");
                assert_eq!(body.contains("https://api.test/verify?token=t"), linked, "{kind:?}");
            }
        }
        let letter = texts.write(Kind::Reauthentication, "jane@example.com", &data()).unwrap();
        assert_eq!(letter.subject, "123456 is your verification code");
    }

    #[test]
    fn a_template_of_the_operator_s() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("invite.html");
        fs::write(&path, "<h1>Hi {{ .Data.name }}</h1><p><a href=\"{{ .ConfirmationURL }}\">come</a></p>")
            .unwrap();
        let mut config = Config::default();
        config.email.template.invite.content_path = path;
        config.email.template.invite.subject = "Hello {{ .Data.name }}\nBcc: x@example.com".to_owned();
        let letter = Texts::load(&config).unwrap().write(Kind::Invite, "jane@example.com", &data()).unwrap();
        assert_eq!(letter.subject, "Hello <script>alert(1)</script> Bcc: x@example.com");
        assert_eq!(
            letter.html,
            "<h1>Hi &lt;script&gt;alert(1)&lt;/script&gt;</h1><p>\
             <a href=\"https://api.test/verify?token=t&amp;type=signup\">come</a></p>"
        );
        assert_eq!(
            letter.text,
            "Hi <script>alert(1)</script>\n\ncome (https://api.test/verify?token=t&type=signup)\n"
        );
    }

    /// Answers one request after another.
    async fn site(answers: &'static [&'static str]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = vec![0; 4096];
                let length = stream.read(&mut asked).await.unwrap();
                assert!(asked[..length].starts_with(b"GET /mails/confirm.html HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_text_from_elsewhere_replaces_ours_once_it_can_be_had() {
        let mut config = Config::default();
        config.email.template.confirmation.content_url = "/mails/confirm.html".to_owned();
        config.site_url = site(&[
            "HTTP/1.1 503 X\r\nconnection: close\r\n\r\ndown",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{ .Broken",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<p>For {{ .Email }}</p>",
        ])
        .await;
        let texts = Texts::load(&config).unwrap();
        let outbound = Outbound::new().unwrap();
        let html = || texts.write(Kind::Confirmation, "jane@example.com", &data()).unwrap().html;
        for _ in 0..2 {
            assert!(!refresh(&texts, &outbound).await);
            assert!(html().contains("Confirm my address"));
        }
        assert!(refresh(&texts, &outbound).await);
        assert_eq!(html(), "<p>For jane@example.com</p>");
        // Gone again: what was had last stays.
        assert!(!refresh(&texts, &outbound).await);
        assert_eq!(html(), "<p>For jane@example.com</p>");
    }

    #[test]
    fn a_broken_template_is_named() {
        let problem = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            let problems = config.check();
            assert_eq!(problems.len(), 1, "{problems:?}");
            format!("{}: {}", problems[0].key, problems[0].text)
        };
        assert_eq!(
            problem(|config| config.email.template.recovery.content = "a\n{{ if }}".to_owned()),
            "email.template.recovery: content: line 2: an action without a value"
        );
        assert_eq!(
            problem(|config| config.email.template.magic_link.subject = "{{ .Token".to_owned()),
            "email.template.magic_link: subject: line 1: an action does not end: `}}` is missing"
        );
        let missing = problem(|config| {
            config.email.notification.password_changed.content_path = "/nowhere/x.html".into()
        });
        assert!(missing.starts_with("email.notification.password_changed: content_path /nowhere/x.html: "));
        assert!(
            problem(|config| {
                config.email.template.invite.content = "x".to_owned();
                config.email.template.invite.content_url = "https://x.test".to_owned();
            })
            .contains("name one of")
        );
        assert!(
            problem(|config| config.email.template.invite.content_url = "http:".to_owned())
                .contains("HTTP address")
        );
    }
}
