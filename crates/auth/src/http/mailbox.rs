//! The mailbox of development: a page for people, JSON for programs.
//!
//! Whoever reads it can take over every account, so the gateway lets in only the developer, and this
//! refuses what other sites make the developer's browser ask for. Mails are shown in a frame that can
//! run nothing; their links open in a new window.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::Error;
use crate::mailbox::Received;
use crate::service::Service;
use crate::template::escape;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Filter {
    to: String,
}

/// Whether the mailbox may be read in answer to this request.
fn admit(service: &Service, request: &HttpRequest) -> Result<(), Error> {
    let is_kept = service.settings.load().config.email.mailbox;
    // Nobody else's page knows the key.
    let has_key = kernel::http::caller(request).is_ok_and(|caller| caller.role.as_str() == "service_role");
    if is_kept && (has_key || is_own_page(request.headers())) { Ok(()) } else { Err(Error::NoRoute) }
}

/// False for what a page of another site asks for, or one whose name was made to point here.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST.as_str()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = name.is_empty() || name == "localhost" || bare.parse::<std::net::IpAddr>().is_ok();
    let same_site = !matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    let same_origin = match text(ORIGIN.as_str()) {
        None => true,
        Some(origin) => origin.split_once("://").is_some_and(|(_, origin)| origin == host),
    };
    is_here && same_site && same_origin
}

pub(crate) async fn list(
    service: Data<Service>,
    request: HttpRequest,
    filter: Query<Filter>,
) -> Result<HttpResponse, Error> {
    admit(&service, &request)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(service.outbox.mailbox.list(&filter.to)))
}

pub(crate) async fn clear(
    service: Data<Service>,
    request: HttpRequest,
    filter: Query<Filter>,
) -> Result<HttpResponse, Error> {
    admit(&service, &request)?;
    service.outbox.mailbox.clear(&filter.to);
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn page(
    service: Data<Service>,
    request: HttpRequest,
    filter: Query<Filter>,
) -> Result<HttpResponse, Error> {
    admit(&service, &request)?;
    let messages = service.outbox.mailbox.list(&filter.to);
    let mut rows = String::new();
    for message in &messages {
        rows.push_str(&format!(
            "<tr><td><a href=\"mail/{id}\">{subject}</a></td><td>{to}</td><td>{channel}</td><td>{at}</td></tr>\n",
            id = message.id,
            subject = escape(summary(message)),
            to = escape(&message.to),
            channel = escape(if message.kind.is_empty() { message.channel } else { message.kind }),
            at = message.at.format("%Y-%m-%d %H:%M:%S"),
        ));
    }
    if messages.is_empty() {
        rows.push_str(
            "<tr><td colspan=\"4\">Nothing yet. Mails appear here when they are sent; load again.</td></tr>",
        );
    }
    let body = format!(
        "<h1>Mailbox</h1>\n<p>What would have been sent, newest first. For programs: \
         <a href=\"mail.json\">mail.json</a>.</p>\n\
         <table><thead><tr><th>Subject</th><th>To</th><th>Kind</th><th>Time (UTC)</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table>"
    );
    Ok(shown("Mailbox", &body))
}

pub(crate) async fn message(
    service: Data<Service>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    admit(&service, &request)?;
    let message = find(&service, &id)?;
    let title = summary(&message);
    let frame = match message.html.is_empty() {
        true => String::new(),
        false => format!(
            "<iframe title=\"The mail\" src=\"{}/html\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" \
             referrerpolicy=\"no-referrer\"></iframe>\n",
            message.id
        ),
    };
    let body = format!(
        "<p><a href=\"../mail\">All messages</a></p>\n<h1>{title}</h1>\n\
         <p>To {to}, {at} UTC</p>\n{frame}<h2>Plain text</h2>\n<pre>{text}</pre>",
        title = escape(title),
        to = escape(&message.to),
        at = message.at.format("%Y-%m-%d %H:%M:%S"),
        text = linked(&message.text),
    );
    Ok(shown(title, &body))
}

pub(crate) async fn html(
    service: Data<Service>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    /// Nothing runs, nothing is sent anywhere but by a click; pictures may come from elsewhere, as in a
    /// mail program.
    const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
        img-src http: https: data:; style-src 'unsafe-inline'; base-uri 'self'; frame-ancestors 'self'";
    admit(&service, &request)?;
    let message = find(&service, &id)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!("<base target=\"_blank\">{}", message.html)))
}

fn find(service: &Service, id: &str) -> Result<Received, Error> {
    let id = Uuid::try_parse(id).map_err(|_| Error::NoRoute)?;
    service.outbox.mailbox.find(id).ok_or(Error::NoRoute)
}

/// One line that tells messages apart.
fn summary(message: &Received) -> &str {
    if message.subject.is_empty() { &message.text } else { &message.subject }
}

/// Escaped, with its web addresses as links.
fn linked(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let address = line.trim();
        let is_address = address.starts_with("http://") || address.starts_with("https://");
        match is_address && !address.contains(char::is_whitespace) {
            true => {
                let address = escape(address);
                out.push_str(&format!(
                    "<a href=\"{address}\" target=\"_blank\" rel=\"noreferrer\">{address}</a>\n"
                ));
            }
            false => out.push_str(&escape(line)),
        }
    }
    out
}

const STYLE: &str = "body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#18181b}\
    h1{font-size:1.4rem}h2{font-size:1rem;color:#52525b}table{width:100%;border-collapse:collapse}\
    th,td{text-align:left;padding:.5rem;border-bottom:1px solid #e4e4e7;font-size:.9rem}a{color:#1d4ed8}\
    iframe{width:100%;height:40rem;border:1px solid #e4e4e7;border-radius:8px}\
    pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f5;padding:1rem;border-radius:8px}";

fn shown(title: &str, body: &str) -> HttpResponse {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'";
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n",
            escape(title)
        ))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn other_sites_are_refused() {
        let check = |pairs: &[(&'static str, &'static str)], expected: bool| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(is_own_page(&headers.collect()), expected, "{pairs:?}");
        };
        check(&[("host", "127.0.0.1:8000")], true);
        check(&[("host", "localhost:8000"), ("sec-fetch-site", "none")], true);
        check(
            &[("host", "[::1]:8000"), ("origin", "http://[::1]:8000"), ("sec-fetch-site", "same-origin")],
            true,
        );
        check(&[("host", "localhost:8000"), ("origin", "http://evil.example")], false);
        check(&[("host", "localhost:8000"), ("origin", "null")], false);
        check(&[("host", "localhost:8000"), ("sec-fetch-site", "cross-site")], false);
        check(&[("host", "localhost:8000"), ("sec-fetch-site", "same-site")], false);
        check(&[("host", "rebound.example:8000")], false);
        check(&[("host", "localhost.evil.example")], false);
    }

    #[test]
    fn plain_texts_become_links_and_nothing_else() {
        assert_eq!(
            linked("a <b>\nhttps://x.test/?a=1&b=2\nhttps://x \"y\"\n"),
            "a &lt;b&gt;\n<a href=\"https://x.test/?a=1&amp;b=2\" target=\"_blank\" rel=\"noreferrer\">\
             https://x.test/?a=1&amp;b=2</a>\nhttps://x &#34;y&#34;\n"
        );
    }
}
