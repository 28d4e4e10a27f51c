//! The conversation with a provider once it sent the browser back: the code for tokens, the tokens
//! for the account.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;
use url::form_urlencoded;

use super::accounts::{Answers, text};
use super::catalog::{Account, Api, ClientProof, Quirk};
use super::claims;
use super::custom::{Custom, Kind, claims as custom_claims};
use super::profile::Profile;
use super::provider::{Provider, Source};
use crate::oidc::{self, Issuer, OidcError};
use crate::outbound::{Answer, OutboundError, Request};
use crate::service::Context;
use crate::user::Object;

/// What the code was exchanged for.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// All of the answer.
    body: Value,
}

impl Tokens {
    /// An access token alone.
    pub(crate) fn of(access: String) -> Self {
        Self { access, refresh: String::new(), body: Value::Null }
    }
}

/// Why a provider said nothing that can be used. Holds neither tokens nor secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("the provider answered with status {status}: {error}")]
    Refused { status: u16, error: String },
    #[error("the provider's answer has no access token")]
    NoToken,
    #[error("the provider's answer is not what was expected")]
    Answer,
    #[error("the provider's answer has no ID token")]
    NoIdToken,
    #[error("the ID token is for another client")]
    Audience,
    #[error("the ID token belongs to another access token")]
    OtherAccessToken,
    #[error("the ID token's issuer `{0}` is not the provider")]
    Issuer(String),
    #[error("the account has no id")]
    NoSubject,
    #[error("{0}")]
    Oidc(#[from] OidcError),
}

/// Exchanges the code of a finished sign-in.
pub(crate) async fn tokens(
    ctx: &Context,
    provider: &Provider,
    code: &str,
    verifier: Option<&str>,
) -> Result<Tokens, ExchangeError> {
    let body = match provider.proof {
        ClientProof::Either => match exchange(ctx, provider, code, verifier, ClientProof::Basic).await {
            Err(ExchangeError::Refused { .. }) => {
                exchange(ctx, provider, code, verifier, ClientProof::Form).await?
            }
            body => body?,
        },
        proof => exchange(ctx, provider, code, verifier, proof).await?,
    };
    let access = text(&body, "/access_token");
    if access.is_empty() {
        return Err(ExchangeError::NoToken);
    }
    Ok(Tokens { access, refresh: text(&body, "/refresh_token"), body })
}

async fn exchange(
    ctx: &Context,
    provider: &Provider,
    code: &str,
    verifier: Option<&str>,
    proof: ClientProof,
) -> Result<Value, ExchangeError> {
    let mut fields =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &provider.redirect_uri)];
    fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    if proof == ClientProof::Form {
        fields.extend([("client_id", provider.client_id()), ("client_secret", provider.secret.expose())]);
    }
    let mut request = Request::form(&provider.token, fields).with("accept", "application/json");
    if proof == ClientProof::Basic {
        let encoded = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(provider.client_id()), encoded(provider.secret.expose()));
        request = request.with("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    request.reach = provider.reach;
    read(&ctx.service.outbound.send(request).await?)
}

/// The answer's content: JSON, or a form as old servers send it.
fn read(answer: &Answer) -> Result<Value, ExchangeError> {
    let body = answer.json().unwrap_or_else(|_| {
        let pairs = form_urlencoded::parse(&answer.body).into_owned();
        pairs.map(|(key, value)| (key, Value::String(value))).collect()
    });
    let error = text(&body, "/error");
    // Some providers say "no" with status 200.
    if !answer.is_success() || !error.is_empty() {
        return Err(ExchangeError::Refused {
            status: answer.status,
            error: error.chars().take(80).collect(),
        });
    }
    Ok(body)
}

/// The account that the tokens are for.
pub(crate) async fn profile(
    ctx: &Context,
    provider: &Provider,
    tokens: &Tokens,
) -> Result<Profile, ExchangeError> {
    let id_token = tokens.body.get("id_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let account = match &provider.source {
        Source::Known(account) => *account,
        // Its accounts come with the token.
        Source::Twitter => return Err(ExchangeError::Answer),
        Source::Custom(custom) => {
            let profile = of_custom(ctx, provider, custom, id_token, tokens).await?;
            return if profile.sub().is_empty() { Err(ExchangeError::NoSubject) } else { Ok(profile) };
        }
    };
    let profile = match (account, id_token) {
        (Account::Api(api), _) | (Account::IdToken(_, Some(api)), None) => {
            ask(ctx, provider, api, tokens).await?
        }
        (Account::IdToken(_, None) | Account::Azure, None) => return Err(ExchangeError::NoIdToken),
        (Account::IdToken(..), Some(id_token)) => {
            let issuer = provider.issuer().unwrap_or_default();
            claimed(ctx, provider, &issuer, id_token, tokens).await?
        }
        (Account::Azure, Some(id_token)) => {
            let issuer = azure_issuer(provider, id_token)?;
            claimed(ctx, provider, &issuer, id_token, tokens).await?
        }
        (Account::TokenAnswer(host, read), _) => {
            let iss = if provider.url.is_empty() { *host } else { provider.url.as_str() };
            let answers = Answers { iss, bodies: std::slice::from_ref(&tokens.body) };
            read(&answers).ok_or(ExchangeError::Answer)?
        }
    };
    if profile.sub().is_empty() {
        return Err(ExchangeError::NoSubject);
    }
    Ok(profile)
}

/// The issuer that a token of Azure names, if the settings let it speak.
fn azure_issuer(provider: &Provider, id_token: &str) -> Result<String, ExchangeError> {
    let issuer = oidc::claimed_issuer(id_token).unwrap_or_default();
    match claims::azure_speaks(&provider.url, &issuer) {
        true => Ok(issuer),
        false => Err(ExchangeError::Issuer(issuer.chars().take(120).collect())),
    }
}

async fn claimed(
    ctx: &Context,
    provider: &Provider,
    issuer: &str,
    id_token: &str,
    tokens: &Tokens,
) -> Result<Profile, ExchangeError> {
    let client_ids = [provider.client_id().to_owned()];
    let found = verified(ctx, Issuer::trusted(issuer), &client_ids, id_token, tokens).await?;
    Ok(claims::of_id_token(&found, &provider.url))
}

/// The claims of an ID token that is for one of these clients.
async fn verified(
    ctx: &Context,
    issuer: Issuer<'_>,
    client_ids: &[String],
    id_token: &str,
    tokens: &Tokens,
) -> Result<Object, ExchangeError> {
    let service = &ctx.service;
    let found = service.issuers.verify(&service.outbound, issuer, id_token, ctx.now).await?;
    let audiences = oidc::audiences(&found);
    if !client_ids.iter().any(|id| audiences.contains(&id.as_str())) {
        return Err(ExchangeError::Audience);
    }
    if !oidc::came_with(id_token, &found, &tokens.access) {
        return Err(ExchangeError::OtherAccessToken);
    }
    Ok(found)
}

/// The account at a provider that an administrator defined.
async fn of_custom(
    ctx: &Context,
    provider: &Provider,
    custom: &Custom,
    id_token: Option<&str>,
    tokens: &Tokens,
) -> Result<Profile, ExchangeError> {
    let url = match (custom.issuer(provider.reach), &custom.kind, id_token) {
        (Some(issuer), _, Some(id_token)) => {
            let found = verified(ctx, issuer, &provider.client_ids, id_token, tokens).await?;
            return Ok(custom_claims::in_id_token(custom, &found));
        }
        (Some(issuer), ..) => {
            let service = &ctx.service;
            let document = service.issuers.discover(&service.outbound, issuer, ctx.now).await?;
            document.userinfo_endpoint.clone()
        }
        (None, Kind::OAuth2 { userinfo_url, .. }, _) => userinfo_url.clone(),
        (None, Kind::Oidc { .. }, _) => String::new(),
    };
    if url.is_empty() {
        return Err(ExchangeError::NoIdToken);
    }
    let mut request = Request::new(Method::GET, &url)
        .with("accept", "application/json")
        .with("authorization", format!("Bearer {}", tokens.access));
    request.reach = provider.reach;
    let answer = ctx.service.outbound.send(request).await?;
    if !answer.is_success() {
        return Err(ExchangeError::Refused { status: answer.status, error: String::new() });
    }
    let claims: Object = answer.json().map_err(|_| ExchangeError::Answer)?;
    Ok(custom_claims::in_userinfo(custom, &claims))
}

async fn ask(
    ctx: &Context,
    provider: &Provider,
    api: &Api,
    tokens: &Tokens,
) -> Result<Profile, ExchangeError> {
    const NOTION: &str = "2021-08-16";
    let base = match provider.url.as_str() {
        "" => format!("{}{}", api.host, api.base),
        url if url.ends_with("api.github.com") => format!("{url}{}", api.base),
        url => format!("{url}{}{}", api.own_instance, api.base),
    };
    let mut bodies = Vec::with_capacity(api.paths.len());
    for path in api.paths {
        let mut url = format!("{base}{path}");
        if api.quirk == Quirk::FacebookProof {
            url.push_str("&appsecret_proof=");
            url.push_str(&facebook_proof(provider.secret.expose(), &tokens.access));
        }
        let mut request = Request::new(Method::GET, &url)
            .with("accept", "application/json")
            .with("authorization", format!("Bearer {}", tokens.access));
        match api.quirk {
            Quirk::ClientId => request = request.with("client-id", provider.client_id()),
            Quirk::NotionVersion => request = request.with("notion-version", NOTION),
            Quirk::None | Quirk::FacebookProof => {}
        }
        request.reach = provider.reach;
        let answer = ctx.service.outbound.send(request).await?;
        if !answer.is_success() {
            return Err(ExchangeError::Refused { status: answer.status, error: String::new() });
        }
        bodies.push(answer.json().map_err(|_| ExchangeError::Answer)?);
    }
    (api.read)(&Answers { iss: &base, bodies: &bodies }).ok_or(ExchangeError::Answer)
}

fn facebook_proof(secret: &str, access_token: &str) -> String {
    // A key of any length is a key of HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(access_token.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_refusal_with_status_200_is_one() {
        let answer =
            |status, body: &str| Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        assert!(read(&answer(200, "access_token=a&scope=b")).is_ok_and(|body| body["access_token"] == "a"));
        assert!(read(&answer(200, r#"{"access_token":"a"}"#)).is_ok_and(|body| body["access_token"] == "a"));
        for (status, body) in [(200, r#"{"error":"bad_verification_code"}"#), (500, "{}"), (200, "error=no")]
        {
            assert!(read(&answer(status, body)).is_err(), "{body}");
        }
    }
}
