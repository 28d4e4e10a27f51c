//! `[auth.saml]`: signing in with the accounts of an organisation.

use kernel::units::Span;
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::saml::key::Key;

/// Single sign-on by SAML 2.0. Who may vouch for people is set up by the admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Saml {
    /// Whether it may be used.
    pub enabled: bool,
    /// The key that signs our requests: RSA of 2048 bits or more, PKCS#1, DER in base64
    /// (`openssl genrsa -traditional 2048 | openssl rsa -traditional -outform der | base64 -w0`).
    #[schemars(extend("format" = "password"))]
    pub private_key: Secret,
    /// The key that will take its place, announced beforehand.
    #[schemars(extend("format" = "password"))]
    pub private_key_next: Secret,
    /// Whether what identity providers say may come encrypted for these keys.
    pub allow_encrypted_assertions: bool,
    /// Whether signatures over SHA-1 are accepted, for identity providers that know nothing better.
    pub allow_sha1: bool,
    /// How long a sign-in at an identity provider may take.
    pub relay_state_validity_period: Span,
    /// This API as identity providers know it. Empty: `auth.external_url`.
    pub external_url: String,
    /// Let identity providers' metadata be fetched from private networks, and without TLS. Whoever may set
    /// providers up can then have this server ask whatever it reaches.
    pub allow_private_networks: bool,
}

impl Default for Saml {
    fn default() -> Self {
        Self {
            enabled: false,
            private_key: Secret::default(),
            private_key_next: Secret::default(),
            allow_encrypted_assertions: false,
            allow_sha1: false,
            relay_state_validity_period: Span::secs(120),
            external_url: String::new(),
            allow_private_networks: false,
        }
    }
}

impl Saml {
    /// Everything that keeps these settings from being used; what is switched off is not looked at.
    pub(super) fn check(&self, external_url: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.enabled {
            return problems;
        }
        let mut report = |key, text: String| problems.push(Problem { key, text });
        if !cfg!(feature = "saml") {
            report("saml.enabled", "this binary was built without SAML".to_owned());
        }
        if let Err(text) = Key::check(self.private_key.expose()) {
            report("saml.private_key", text.to_owned());
        }
        let next = self.private_key_next.expose();
        if !next.is_empty()
            && let Err(text) = Key::check(next)
        {
            report("saml.private_key_next", text.to_owned());
        }
        if self.relay_state_validity_period.0.is_zero() {
            report("saml.relay_state_validity_period", "must be longer than zero".to_owned());
        }
        let (key, url) = match self.external_url.as_str() {
            "" => ("external_url", external_url),
            url => ("saml.external_url", url),
        };
        let is_web = |url: &str| {
            Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        // Where there is none yet, the server works it out.
        if !url.is_empty() && !is_web(url) {
            report(key, format!("`{url}` is not a web address, and identity providers have to know one"));
        }
        problems
    }
}
