//! The OAuth 2.1 and OpenID Connect server: other applications sign people in with accounts of ours.
//!
//! - [`client`]: the applications, registered by an administrator or by themselves ([`registration`]);
//!   [`redirect_uri`] says where they may be answered, [`scope`] what they may learn.
//! - [`authorize`]: an application sends someone's browser to us, and we send it on to the page of
//!   the site that asks for consent. [`consent`]: that page learns who asks, and says yes or no.
//! - [`token`]: the application exchanges the code it got for a session, which is the user's but
//!   bound to the application and its scopes. [`claims`]: what it learns of the account.
//! - [`device`]: what has no browser asks for access, and someone lets it in from elsewhere.
//! - [`grants`]: what someone allowed, and taking it back.
//!
//! It refuses requests without PKCE, addresses that are not registered to the letter, a code's second
//! use, and everything an application's session tries beyond reading (see `http::call`).

pub(crate) mod authorize;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod grants;
mod redirect_uri;
pub(crate) mod registration;
mod scope;
pub(crate) mod token;

pub(crate) use scope::{Scope, Scopes};

/// `uri` with more parameters, in the order of their names; one of a name that was there is replaced.
pub(crate) fn with_params(uri: &str, params: &[(&str, &str)]) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let named = |key: &str| params.iter().any(|(name, _)| *name == key);
    let old = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let mut pairs: Vec<_> = old.filter(|(key, _)| !named(key)).collect();
    pairs.extend(params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_those_there_are() {
        let check = |uri: &str, expected: &str| {
            assert_eq!(with_params(uri, &[("state", "a&b"), ("code", "c")]), expected);
        };
        check("https://a.test/cb", "https://a.test/cb?code=c&state=a%26b");
        check("https://a.test/cb?x=1&code=old", "https://a.test/cb?code=c&state=a%26b&x=1");
        check("myapp://cb", "myapp://cb?code=c&state=a%26b");
    }
}
