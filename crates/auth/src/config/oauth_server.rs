//! `[auth.oauth_server]`: letting other applications sign people in with accounts of ours.

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oauth_server::Scopes;

/// Other applications that sign people in with their accounts here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OAuthServer {
    /// Whether other applications may ask for access to accounts.
    pub enabled: bool,
    /// Whether applications may register themselves, without an administrator.
    pub allow_dynamic_registration: bool,
    /// The page of your application, below `site_url`, that asks people for their consent.
    pub authorization_url_path: String,
    /// Whether devices without a browser may ask for access, with a code that someone types in elsewhere.
    pub device_grant: bool,
    /// The page of your application, below `site_url`, where people type in the code of a device.
    pub device_verification_path: String,
    /// How long a request for access waits for consent and, after it, for the exchange of its code.
    pub authorization_ttl: Span,
    /// What an application gets that does not say what it wants: `openid`, `email`, `profile`, `phone`,
    /// `offline_access`, with spaces between.
    pub default_scope: String,
}

impl Default for OAuthServer {
    fn default() -> Self {
        Self {
            enabled: false,
            allow_dynamic_registration: false,
            authorization_url_path: "/oauth/consent".to_owned(),
            device_grant: false,
            device_verification_path: "/oauth/device".to_owned(),
            authorization_ttl: Span::secs(600),
            default_scope: "email".to_owned(),
        }
    }
}

impl OAuthServer {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text| problems.push(Problem { key, text });
        if self.authorization_ttl.0.is_zero() || self.authorization_ttl.0 > Span::secs(86_400).0 {
            report("oauth_server.authorization_ttl", "must be longer than zero and at most a day".to_owned());
        }
        match Scopes::parse(&self.default_scope) {
            Ok(scopes) if scopes.is_empty() => {
                report("oauth_server.default_scope", "must name at least one scope".to_owned());
            }
            Ok(_) => {}
            Err(unknown) => report("oauth_server.default_scope", format!("`{unknown}` is no scope")),
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_scope_is_one_there_is() {
        let check = |scope: &str, ttl: u64, expected: &[&str]| {
            let config = OAuthServer {
                default_scope: scope.to_owned(),
                authorization_ttl: Span::secs(ttl),
                ..OAuthServer::default()
            };
            let keys: Vec<_> = config.check().into_iter().map(|problem| problem.key).collect();
            assert_eq!(keys, expected, "{scope} {ttl}");
        };
        check("openid email", 600, &[]);
        check("everything", 600, &["oauth_server.default_scope"]);
        check(" ", 0, &["oauth_server.authorization_ttl", "oauth_server.default_scope"]);
        check("email", 90_000, &["oauth_server.authorization_ttl"]);
    }
}
