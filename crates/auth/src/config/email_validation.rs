//! `[auth.email.validation]`: which addresses mail is not sent to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checks of an address before a link or code is mailed to it. A request for one that fails them is
/// refused; what cannot be found out within three seconds counts as good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailValidation {
    /// Refuse addresses that are made up (`test@gmail.com`, `example.com`) and those of domains that take
    /// no mail.
    pub extended: bool,
    /// A service of yours that is asked, too, by `POST` with `{"email": …}`; an address is refused if it
    /// answers `{"valid": false}`. Empty: none.
    pub service_url: String,
    /// Headers of that request, each with its values.
    #[schemars(extend("format" = "password"))]
    pub service_headers: BTreeMap<String, Vec<Secret>>,
    /// Mail servers, or their addresses, whose domains are refused; of use with `extended`.
    pub blocked_mx: Vec<String>,
    /// The name server that is asked, `address:port`. Empty: the system's.
    pub dns_server: String,
}

impl EmailValidation {
    /// Whether anything is checked at all.
    pub(crate) fn is_on(&self) -> bool {
        self.extended || !self.service_url.is_empty()
    }

    /// Whether domains with this mail server are refused.
    pub(crate) fn blocks(&self, server: &str) -> bool {
        let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        self.blocked_mx.iter().any(|blocked| plain(blocked) == plain(server))
    }

    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text: &str| problems.push(Problem { key, text: text.to_owned() });
        let is_url =
            url::Url::parse(&self.service_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !self.service_url.is_empty() && !is_url {
            report("email.validation.service_url", "must be a URL of the web");
        }
        if !self.dns_server.is_empty() && self.dns_server.parse::<SocketAddr>().is_err() {
            report("email.validation.dns_server", "must be an address with a port: 192.0.2.53:53");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_blocked_however_they_are_spelled() {
        let settings =
            EmailValidation { blocked_mx: vec!["MX.bad.test.".to_owned()], ..EmailValidation::default() };
        assert!(settings.blocks("mx.bad.test") && !settings.blocks("mx2.bad.test"));
    }

    #[test]
    fn what_cannot_be_used() {
        let settings = EmailValidation {
            service_url: "nowhere".to_owned(),
            dns_server: "192.0.2.53".to_owned(),
            ..EmailValidation::default()
        };
        assert_eq!(settings.check().len(), 2);
        assert_eq!(EmailValidation::default().check(), []);
    }
}
