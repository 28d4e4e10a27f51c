//! A letter on its way to the mail server.

use std::fs;

use kernel::Problem;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::Url;
use uuid::Uuid;

use super::Letter;
use crate::config::{Config, Smtp, SmtpTls};
use crate::outbox::Failure;

/// The configured mail server.
pub(crate) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    headers: Vec<(HeaderName, String)>,
}

const IMPLICIT_TLS_PORT: u16 = 465;

impl Server {
    /// Makes ready to send; does not connect.
    ///
    /// # Errors
    ///
    /// The setting that cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Self, Problem> {
        let smtp = &config.email.smtp;
        let problem = |key, text: String| Problem { key, text };
        let address: Address = smtp.admin_email.parse().map_err(|_| {
            problem(
                "email.smtp.admin_email",
                format!("`{}` is not an address that mail can come from", smtp.admin_email),
            )
        })?;
        let name = Some(smtp.sender_name.clone()).filter(|name| !name.is_empty());
        let mut headers = Vec::new();
        for (name, values) in smtp.headers.iter().filter(|(name, _)| !name.is_empty()) {
            let values: Vec<&str> =
                values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
            let value = values.join(", ");
            let known = HeaderName::new_from_ascii(name.clone());
            match known.ok().filter(|_| !value.contains(['\r', '\n'])) {
                Some(name) => headers.push((name, value)),
                None => return Err(problem("email.smtp.headers", format!("`{name}` cannot be a header"))),
            }
        }
        let tls = tls(smtp).map_err(|text| problem("email.smtp.ca_file", text))?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.as_str())
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(smtp.timeout.0));
        // A name says more to the server than the address of a container.
        let own = Url::parse(&config.external_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if let Some(own) = own.filter(|own| own.contains('.') && own.parse::<std::net::IpAddr>().is_err()) {
            transport = transport.hello_name(ClientId::Domain(own));
        }
        if !smtp.user.is_empty() {
            transport =
                transport.credentials(Credentials::new(smtp.user.clone(), smtp.pass.expose().to_owned()));
        }
        Ok(Self { transport: transport.build(), from: Mailbox::new(name, address), headers })
    }

    /// Sends a letter. `id` names the message for good: whoever gets it twice can tell.
    ///
    /// # Errors
    ///
    /// Whether it makes sense to try again, and why it failed.
    pub(crate) async fn send(&self, id: Uuid, letter: &Letter) -> Result<(), Failure> {
        let message = self.message(id, letter).map_err(Failure::Final)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if is_final(&error) => Err(Failure::Final(error.to_string())),
            Err(error) => Err(Failure::Again(error.to_string())),
        }
    }

    fn message(&self, id: Uuid, letter: &Letter) -> Result<Message, String> {
        let to: Address = letter.to.parse().map_err(|_| "the address cannot be written to".to_owned())?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.as_str())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date_now()
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()));
        let mut message = message.map_err(|error| error.to_string())?;
        let headers = message.headers_mut();
        // So that nobody's out-of-office answers.
        headers.insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        for (name, value) in &self.headers {
            let value = value.replace("$messageType", letter.kind.message_type());
            headers.insert_raw(HeaderValue::new(name.clone(), value));
        }
        Ok(message)
    }
}

fn tls(smtp: &Smtp) -> Result<Tls, String> {
    let parameters = || {
        let mut builder = TlsParameters::builder(smtp.host.clone());
        if !smtp.ca_file.as_os_str().is_empty() {
            let problem = |error: String| format!("{}: {error}", smtp.ca_file.display());
            let pem = fs::read(&smtp.ca_file).map_err(|error| problem(error.to_string()))?;
            if !String::from_utf8_lossy(&pem).contains("BEGIN CERTIFICATE") {
                return Err(problem("holds no certificate".to_owned()));
            }
            let certificates = Certificate::from_pem(&pem).map_err(|error| problem(error.to_string()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
        }
        builder.build_rustls().map_err(|error| error.to_string())
    };
    let local = matches!(smtp.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    Ok(match smtp.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Implicit => Tls::Wrapper(parameters()?),
        SmtpTls::Auto if smtp.port == IMPLICIT_TLS_PORT => Tls::Wrapper(parameters()?),
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Auto if !smtp.user.is_empty() && !local => Tls::Required(parameters()?),
        SmtpTls::Auto => Tls::Opportunistic(parameters()?),
    })
}

/// True if the server says that this mail will never be taken: no such mailbox, not an address, not
/// this content. A refused log-in is a mistake of the settings, which can be put right in time.
fn is_final(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && code.is_some_and(|code| matches!(code, 501 | 521 | 550..=556))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        config.email.smtp.host = "mail.example.com".to_owned();
        config.email.smtp.admin_email = "noreply@example.com".to_owned();
        config
    }

    #[test]
    fn a_message_has_upstream_s_headers_and_two_bodies() {
        let mut config = config();
        config.email.smtp.sender_name = "Jürgen & Söhne".to_owned();
        config.email.smtp.headers = [
            ("X-Kind".to_owned(), vec!["<$messageType>".to_owned(), "b".to_owned()]),
            ("X-Empty".to_owned(), vec![]),
        ]
        .into();
        let letter = Letter::new(Kind::MagicLink, "jane@example.com", "Häi", "<p>x</p>".into(), "x".into());
        let id = Uuid::nil();
        let text = Server::new(&config).unwrap().message(id, &letter).unwrap().formatted();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "To: jane@example.com\r\n",
            "<noreply@example.com>\r\n",
            "Message-ID: <00000000-0000-0000-0000-000000000000@example.com>\r\n",
            "X-Kind: <magic_link>, b\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
            "\r\nDate: ",
            "Subject: =?utf-8?",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_named() {
        let problem = |change: fn(&mut Smtp)| {
            let mut config = config();
            change(&mut config.email.smtp);
            config.check().first().map(|problem| problem.key)
        };
        assert_eq!(problem(|_| {}), None);
        assert_eq!(problem(|smtp| smtp.admin_email = String::new()), Some("email.smtp.admin_email"));
        assert_eq!(problem(|smtp| smtp.ca_file = "/nowhere".into()), Some("email.smtp.ca_file"));
        let evil = |smtp: &mut Smtp| {
            smtp.headers.insert("X".to_owned(), vec!["a\r\nBcc: x".to_owned()]);
        };
        assert_eq!(problem(evil), Some("email.smtp.headers"));
    }

    #[test]
    fn passwords_go_through_tls_alone() {
        let kind = |change: fn(&mut Smtp)| {
            let mut config = config();
            change(&mut config.email.smtp);
            match tls(&config.email.smtp).unwrap() {
                Tls::None => "none",
                Tls::Opportunistic(_) => "if offered",
                Tls::Required(_) => "required",
                Tls::Wrapper(_) => "from the start",
            }
        };
        assert_eq!(kind(|_| {}), "if offered");
        assert_eq!(kind(|smtp| smtp.user = "me".to_owned()), "required");
        assert_eq!(
            kind(|smtp| (smtp.user, smtp.host) = ("me".to_owned(), "localhost".to_owned())),
            "if offered"
        );
        assert_eq!(kind(|smtp| smtp.port = 465), "from the start");
        assert_eq!(kind(|smtp| smtp.tls = SmtpTls::Starttls), "required");
        assert_eq!(kind(|smtp| smtp.tls = SmtpTls::None), "none");
    }
}
