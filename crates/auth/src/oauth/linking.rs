//! Which providers lead to each other's accounts by a common address.
//!
//! All do that vouch for addresses, but for organisations, each of which is a domain of its own, and for
//! those that the settings put into another one. Domains other than the first have accounts of their
//! own, even where the address is the same; `is_sso_user` is what keeps these apart in the table.

use crate::config::Config;

/// The domain of all whom nobody put into another.
pub(crate) const DEFAULT: &str = "default";

/// The domain of a provider.
pub(crate) fn domain<'a>(config: &'a Config, provider: &'a str) -> &'a str {
    if provider.starts_with("sso:") {
        return provider;
    }
    config.linking_domains.get(provider).map_or(DEFAULT, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        let mut config = Config::default();
        config.linking_domains.insert("github".to_owned(), "social".to_owned());
        config.linking_domains.insert("sso:x".to_owned(), "social".to_owned());
        for (provider, expected) in
            [("github", "social"), ("google", DEFAULT), ("email", DEFAULT), ("sso:x", "sso:x")]
        {
            assert_eq!(domain(&config, provider), expected);
        }
    }
}
