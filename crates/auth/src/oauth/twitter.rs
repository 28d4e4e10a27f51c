//! The old Twitter, which speaks OAuth 1.0a (RFC 5849): every request is signed, and a token is asked
//! for before the browser is sent there, and only that one is taken back. `x` is the same place by OAuth 2.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::form_urlencoded;
use uuid::Uuid;

use super::accounts::text;
use super::exchange::{ExchangeError, Tokens};
use super::profile::Profile;
use super::provider::Provider;
use crate::outbound::{Answer, Request};
use crate::service::Context;

pub(crate) const NAME: &str = "twitter";
pub(crate) const HOST: &str = "https://api.twitter.com";

const ACCOUNT: &str = "/1.1/account/verify_credentials.json";

/// All but what RFC 3986 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token with its secret: first of the sign-in that is under way, then of the account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    token: String,
    secret: String,
}

impl Pair {
    /// As the sign-in remembers it.
    pub(crate) fn write(&self) -> String {
        let pairs = [("oauth_token", &self.token), ("oauth_token_secret", &self.secret)];
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut fields: HashMap<String, String> =
            form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let token = fields.remove("oauth_token").filter(|token| !token.is_empty())?;
        Some(Self { token, secret: fields.remove("oauth_token_secret").unwrap_or_default() })
    }

    /// Whether this is the token that the browser brings.
    pub(crate) fn is_for(&self, token: &str) -> bool {
        bool::from(self.token.as_bytes().ct_eq(token.as_bytes()))
    }

    /// The sign-in page.
    pub(crate) fn address(&self, provider: &Provider) -> String {
        format!("{}?oauth_token={}", provider.authorize, escape(&self.token))
    }
}

/// Announces the sign-in `state`.
pub(crate) async fn announce(ctx: &Context, provider: &Provider, state: Uuid) -> Result<Pair, ExchangeError> {
    let callback = format!("{}?state={state}", provider.redirect_uri);
    let url = format!("{}/oauth/request_token", provider.url);
    let own = [("oauth_callback", callback.as_str())];
    let answer = signed(ctx, provider, Method::POST, &url, None, &own, &[]).await?;
    pair(&answer)
}

/// The account whose owner came back with `verifier` for the sign-in `pending`.
pub(crate) async fn complete(
    ctx: &Context,
    provider: &Provider,
    pending: &Pair,
    verifier: &str,
) -> Result<(Tokens, Profile), ExchangeError> {
    let own = [("oauth_verifier", verifier)];
    let answer = signed(ctx, provider, Method::POST, &provider.token, Some(pending), &own, &[]).await?;
    let granted = pair(&answer)?;
    let url = format!("{}{ACCOUNT}", provider.url);
    let query = [("include_email", "true"), ("include_entities", "false"), ("skip_status", "true")];
    let answer = signed(ctx, provider, Method::GET, &url, Some(&granted), &[], &query).await?;
    let user: Value = answer.json().map_err(|_| ExchangeError::Answer)?;
    let profile = profile(&url, &user);
    if profile.sub().is_empty() {
        return Err(ExchangeError::NoSubject);
    }
    Ok((Tokens::of(granted.token), profile))
}

fn profile(iss: &str, user: &Value) -> Profile {
    let name = text(user, "/screen_name");
    Profile::of(iss, text(user, "/id_str"))
        .named(text(user, "/name"))
        .pictured(text(user, "/profile_image_url_https"))
        .with("preferred_username", &name)
        .with("user_name", &name)
        .reached_at(text(user, "/email"), true)
}

fn pair(answer: &Answer) -> Result<Pair, ExchangeError> {
    std::str::from_utf8(&answer.body).ok().and_then(Pair::read).ok_or(ExchangeError::NoToken)
}

/// A signed request that has to succeed. `own` are parameters of the protocol, `query` of the endpoint.
async fn signed(
    ctx: &Context,
    provider: &Provider,
    method: Method,
    url: &str,
    token: Option<&Pair>,
    own: &[(&str, &str)],
    query: &[(&str, &str)],
) -> Result<Answer, ExchangeError> {
    let (nonce, moment) = (Uuid::new_v4().simple().to_string(), ctx.now.timestamp().to_string());
    let mut fields = BTreeMap::from([
        ("oauth_consumer_key", provider.client_id()),
        ("oauth_nonce", &nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", &moment),
        ("oauth_version", "1.0"),
    ]);
    fields.extend(own.iter().copied());
    fields.extend(token.map(|token| ("oauth_token", token.token.as_str())));
    let secret = token.map(|token| token.secret.as_str()).unwrap_or_default();
    let all: BTreeMap<&str, &str> =
        fields.iter().map(|(key, value)| (*key, *value)).chain(query.iter().copied()).collect();
    let signature = sign(method.as_str(), url, &all, provider.secret.expose(), secret);
    fields.insert("oauth_signature", &signature);
    let header: Vec<_> = fields.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
    let url =
        if query.is_empty() { url.to_owned() } else { format!("{url}?{}", joined(query.iter().copied())) };
    let mut request =
        Request::new(method, &url).with("authorization", format!("OAuth {}", header.join(", ")));
    request.reach = provider.reach;
    let answer = ctx.service.outbound.send(request).await?;
    match answer.is_success() {
        true => Ok(answer),
        false => Err(ExchangeError::Refused { status: answer.status, error: String::new() }),
    }
}

/// RFC 5849, section 3.4: over method, address and all parameters in the order of their names, none
/// of which occurs twice here.
fn sign(
    method: &str,
    url: &str,
    fields: &BTreeMap<&str, &str>,
    consumer_secret: &str,
    token_secret: &str,
) -> String {
    let fields = joined(fields.iter().map(|(key, value)| (*key, *value)));
    let text = [method, url, &fields].map(escape).join("&");
    let key = [consumer_secret, token_secret].map(escape).join("&");
    let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

fn joined<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    fields.map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_provider_s_documentation() {
        let fields = BTreeMap::from([
            ("include_entities", "true"),
            ("oauth_consumer_key", "xvz1evFS4wEEPTGEFPHBog"),
            ("oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "1318622958"),
            ("oauth_token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
            ("oauth_version", "1.0"),
            ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ]);
        let signature = sign(
            "POST",
            "https://api.twitter.com/1/statuses/update.json",
            &fields,
            "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
            "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        );
        assert_eq!(signature, "tnnArxj06cWHq44gCs1OSKk/jLY=");
    }

    #[test]
    fn a_sign_in_remembers_its_token() {
        let pair = Pair { token: "a&b=c d".to_owned(), secret: "s+%".to_owned() };
        assert_eq!(Pair::read(&pair.write()), Some(pair));
        assert_eq!(Pair::read("oauth_token_secret=x"), None);
        assert_eq!(Pair::read(""), None);
    }
}
