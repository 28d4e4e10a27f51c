//! Whether an address takes mail, beyond its form: `[auth.email.validation]`.
//!
//! The rules are Supabase Auth's: addresses that people type without having them, domains that take no
//! mail, and a service of the operator's. Whatever cannot be found out in time is taken to be good.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::dns::{self, Kind};
use crate::config::EmailValidation;
use crate::outbound::{Outbound, Request};

/// How long all of it may take: somebody waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// What people type where they have no address to give.
const NOBODYS: [&str; 4] = ["test@gmail.com", "example@gmail.com", "someone@gmail.com", "test@email.com"];

/// Domains under which nobody has one; RFC 2606.
const RESERVED: [&str; 5] = ["test", "example", "invalid", "local", "localhost"];

/// Domains that exist and take no mail, and how people misspell others.
const USELESS: [&str; 8] = [
    "test.com",
    "example.com",
    "example.net",
    "example.org",
    "gamil.com",
    "gamai.com",
    "anonymous.com",
    "email.com",
];

/// Domains of whom everybody knows that they take mail.
const KNOWN: [&str; 20] = [
    "gmail.com",
    "yahoo.com",
    "hotmail.com",
    "aol.com",
    "outlook.com",
    "comcast.net",
    "icloud.com",
    "msn.com",
    "hotmail.co.uk",
    "sbcglobal.net",
    "live.com",
    "yahoo.co.in",
    "me.com",
    "att.net",
    "mail.ru",
    "bellsouth.net",
    "rediffmail.com",
    "cox.net",
    "yahoo.co.uk",
    "verizon.net",
];

/// Letters that a name at Gmail has at least.
const SHORTEST_AT_GMAIL: usize = 6;

/// Whether mail to this address may arrive.
pub(crate) async fn may_arrive(settings: &EmailValidation, outbound: &Outbound, email: &str) -> bool {
    let (name, host) = email.rsplit_once('@').unwrap_or_default();
    if settings.extended && !is_plausible(email, name, host) {
        return false;
    }
    let takes_mail = async { !settings.extended || within(takes_mail(settings, host)).await };
    let is_vouched =
        async { settings.service_url.is_empty() || within(is_vouched(settings, outbound, email)).await };
    let (takes_mail, is_vouched) = tokio::join!(takes_mail, is_vouched);
    takes_mail && is_vouched
}

async fn within(check: impl Future<Output = bool>) -> bool {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or(true)
}

fn is_plausible(email: &str, name: &str, host: &str) -> bool {
    let well_dotted = !name.starts_with('.') && !name.ends_with('.') && !name.contains("..");
    let last = host.rsplit('.').next().unwrap_or_default();
    let too_short = host == "gmail.com" && name.len() < SHORTEST_AT_GMAIL;
    let made_up =
        NOBODYS.contains(&email) || RESERVED.contains(&last) || USELESS.contains(&host) || too_short;
    well_dotted && host.contains('.') && !made_up
}

/// Whether the domain has a server that takes mail, or is one, and none of those to which none goes.
async fn takes_mail(settings: &EmailValidation, host: &str) -> bool {
    if KNOWN.contains(&host) {
        return true;
    }
    let server = match settings.dns_server.parse() {
        Ok(server) => Some(server),
        Err(_) => dns::system_server().await,
    };
    let Some(server) = server else { return true };
    for kinds in [[Kind::Mx].as_slice(), &[Kind::A, Kind::Aaaa]] {
        let mut found = Vec::new();
        for kind in kinds {
            match dns::ask(server, host, *kind).await {
                Ok(records) => found.extend(records),
                Err(error) => {
                    tracing::debug!(%error, "a domain's mail servers are not known");
                    return true;
                }
            }
        }
        if !found.is_empty() {
            return !found.iter().any(|server| settings.blocks(server));
        }
    }
    false
}

#[derive(Deserialize)]
struct Verdict {
    valid: Option<bool>,
}

/// What the operator's service says; nothing, if it says nothing that counts.
async fn is_vouched(settings: &EmailValidation, outbound: &Outbound, email: &str) -> bool {
    let mut request =
        Request::new(Method::POST, &settings.service_url).with("content-type", "application/json");
    for (name, values) in &settings.service_headers {
        for value in values {
            request = request.with(name, value.expose());
        }
    }
    let body = json!({ "email": email }).to_string().into_bytes();
    let request = Request { body, timeout: PATIENCE, max_answer: 1024, ..request };
    match outbound.send(request).await {
        Ok(answer) if answer.is_success() => {
            answer.json::<Verdict>().ok().and_then(|verdict| verdict.valid).unwrap_or(true)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_has() {
        for (email, expected) in [
            ("jane@basalt.dev", true),
            ("test@gmail.com", false),
            ("short@gmail.com", false),
            ("longer@gmail.com", true),
            ("jane@example.com", false),
            ("jane@gamil.com", false),
            ("jane@localhost", false),
            ("jane@test", false),
            ("jane@shop.test", false),
            ("jane@attest.org", true),
            ("jane@intranet", false),
            (".jane@basalt.dev", false),
            ("jane..doe@basalt.dev", false),
        ] {
            let (name, host) = email.rsplit_once('@').unwrap_or_default();
            assert_eq!(is_plausible(email, name, host), expected, "{email}");
        }
    }
}
