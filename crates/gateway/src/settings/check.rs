//! What no value is wrong in by itself.

use std::collections::BTreeMap;

use super::Settings;
use super::source::{Problem, Source};
use crate::edge::address::Network;

/// What the sections themselves find wrong.
pub(super) fn check(settings: &Settings, sources: &BTreeMap<String, Source>) -> Vec<Problem> {
    let problem = |key: &str, text: String| Problem {
        key: key.to_owned(),
        text,
        source: sources.get(key).cloned().unwrap_or(Source::Default),
    };
    let mut problems = Vec::new();
    let sections = [
        ("auth", settings.auth.check()),
        ("functions", settings.functions.check()),
        ("realtime", settings.realtime.check()),
        ("storage", settings.storage.check()),
    ];
    for (section, found) in sections {
        for kernel::Problem { key, text } in found {
            problems.push(problem(&format!("{section}.{key}"), text));
        }
    }
    if settings.auth.email.mailbox && settings.is_production() {
        let text = "is for development only: whoever reads the mails has every account".to_owned();
        problems.push(problem("auth.email.mailbox", text));
    }
    for text in settings.rest.check() {
        // "rest.schemas must …": the sentence begins with the name.
        let (key, text) = text.split_once(' ').unwrap_or(("rest", &text));
        problems.push(problem(key, text.to_owned()));
    }
    if let Err(text) = settings.log.check() {
        problems.push(problem("log.level", text));
    }
    if let Err(error) = settings.jwt.role_claim.parse::<::jwt::RoleClaim>() {
        problems.push(problem("jwt.role_claim", error.to_string()));
    }
    if !settings.jwt.keys.is_empty()
        && let Err(error) = ::jwt::KeySet::from_jwks_text(settings.jwt.keys.expose())
    {
        problems.push(problem("jwt.keys", error.to_string()));
    }
    if !settings.jwt.jwks.is_empty()
        && let Err(error) = ::jwt::KeySet::from_jwks_text(settings.jwt.jwks.expose())
        && !matches!(error, ::jwt::KeyError::Signers(_))
    {
        problems.push(problem("jwt.jwks", error.to_string()));
    }
    if settings.server.listen.is_empty() {
        problems.push(problem("server.listen", "must name an address to listen on".to_owned()));
    }
    for text in &settings.server.trusted_proxies {
        if let Err(text) = text.parse::<Network>() {
            problems.push(problem("server.trusted_proxies", text));
        }
    }
    if !settings.server.public_url.is_empty() && url::Url::parse(&settings.server.public_url).is_err() {
        problems.push(problem("server.public_url", "is not an absolute URL".to_owned()));
    }
    let databases =
        [("database.url", &settings.database.url), ("database.direct_url", &settings.database.direct_url)];
    for (name, url) in databases {
        if !url.is_empty()
            && let Err(error) = db::Target::parse(url.expose())
        {
            problems.push(problem(name, error.to_string()));
        }
    }
    if settings.database.tls_certificate_file.as_os_str().is_empty()
        != settings.database.tls_key_file.as_os_str().is_empty()
    {
        let text = "goes with database.tls_key_file: set both or none".to_owned();
        problems.push(problem("database.tls_certificate_file", text));
    }
    problems
}
