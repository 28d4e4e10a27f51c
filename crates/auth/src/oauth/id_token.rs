//! Signing in with an ID token that the client got from the provider itself.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::catalog::{APPLE, APPLE_ACCOUNT, FACEBOOK, GOOGLE, KAKAO, SNAPCHAT, VERCEL};
use super::claims;
use super::custom::{self, Custom};
use super::enter::{self, Arrival, Entered};
use super::profile::Profile;
use crate::account::{self, NotCreated};
use crate::error::{Error, External, OrInternal};
use crate::oidc::{self, Issuer};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::user::Object;

/// What the client presents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented {
    pub(crate) id_token: String,
    pub(crate) access_token: String,
    pub(crate) nonce: String,
    pub(crate) provider: String,
    pub(crate) client_id: String,
    pub(crate) issuer: String,
}

/// Who has to have made the token, and for whom.
struct Expected {
    issuer: String,
    /// The provider's definition, if an administrator defined it.
    custom: Option<Box<Custom>>,
    /// The identity's provider.
    provider: String,
    /// Where the settings say that it is.
    url: String,
    client_ids: Vec<String>,
    skip_nonce_check: bool,
    email_optional: bool,
}

fn invalid(description: &'static str) -> Error {
    Error::OAuth { error: "invalid request", description }
}

/// Signs in, or links to the account of `linking`.
pub(crate) async fn grant(
    ctx: &Context,
    presented: &Presented,
    linking: Option<Uuid>,
) -> Result<Grant, Error> {
    let expected = match presented.provider.starts_with(custom::PREFIX) {
        true => defined(ctx, &presented.provider).await?,
        false => expected(ctx, presented)?,
    };
    let service = &ctx.service;
    let defined = expected.custom.as_ref().and_then(|custom| custom.issuer(custom::reach(ctx.config())));
    let issuer = defined.unwrap_or_else(|| Issuer::trusted(&expected.issuer));
    let verified = service.issuers.verify(&service.outbound, issuer, &presented.id_token, ctx.now).await;
    let found = verified.map_err(|error| External::BadIdToken(Box::new(error)))?;
    if !presented.access_token.is_empty()
        && !oidc::came_with(&presented.id_token, &found, &presented.access_token)
    {
        return Err(invalid("Bad ID token"));
    }
    let profile = expected.read(&found).settled();
    if profile.sub().is_empty() {
        return Err(invalid("Missing sub claim in id_token"));
    }
    let audiences = oidc::audiences(&found);
    if !expected.client_ids.iter().any(|id| audiences.contains(&id.as_str())) {
        return Err(External::Audience(audiences.into_iter().map(str::to_owned).collect()).into());
    }
    if !expected.skip_nonce_check {
        let nonce = found.get("nonce").and_then(serde_json::Value::as_str).unwrap_or_default();
        check_nonce(&presented.nonce, nonce)?;
    }
    let email_optional = expected.email_optional;
    let arrival = Arrival { provider: &expected.provider, profile: &profile, email_optional, traits: None };
    if linking.is_none() {
        enter::ask_hook(ctx, arrival).await?;
    }
    match settle(ctx, arrival, linking).await {
        Err(NotCreated::Taken) => Ok(settle(ctx, arrival, linking).await?),
        result => Ok(result?),
    }
}

/// The token holds the hash of a number that only the client knows: whoever stole the token alone
/// gets nowhere with it.
fn check_nonce(presented: &str, in_token: &str) -> Result<(), Error> {
    if presented.is_empty() != in_token.is_empty() {
        return Err(invalid("Passed nonce and nonce in id_token should either both exist or not."));
    }
    let hash = hex::encode(Sha256::digest(presented));
    if !in_token.is_empty() && !bool::from(hash.as_bytes().ct_eq(in_token.as_bytes())) {
        return Err(Error::OAuth { error: "invalid nonce", description: "Nonces mismatch" });
    }
    Ok(())
}

async fn settle(ctx: &Context, arrival: Arrival<'_>, linking: Option<Uuid>) -> Result<Grant, NotCreated> {
    let failed = NotCreated::Failed;
    let begun = ctx.service.pool.begin().await.or_internal("Database error finding user");
    let mut tx = begun.map_err(failed)?;
    let entered = match linking {
        Some(target) => enter::link(ctx, &mut tx, target, arrival).await.map_err(failed)?,
        None => enter::enter(ctx, &mut tx, arrival).await?,
    };
    let grant = match entered {
        Entered::In(user) => Ok(session::open(ctx, &mut tx, *user, "oauth").await.map_err(failed)?),
        Entered::Unproved(refusal) => Err(failed(refusal.into())),
    };
    account::commit_creation(ctx, tx).await.map_err(failed)?;
    grant
}

/// Upstream's rule: the provider that is named, or whose issuer is; else a listed issuer.
fn expected(ctx: &Context, presented: &Presented) -> Result<Expected, Error> {
    let config = ctx.config();
    let claimed = || oidc::claimed_issuer(&presented.id_token);
    let named = |provider: &str, issuers: &[&str]| {
        presented.provider == provider || issuers.contains(&presented.issuer.as_str())
    };
    let keycloak = config.external.get("keycloak").filter(|settings| settings.enabled);
    let keycloak = keycloak.map(|settings| settings.url.trim_end_matches('/')).unwrap_or_default();
    let (provider, issuer) = if named("apple", &[APPLE, APPLE_ACCOUNT]) {
        let issuer = detected(claimed(), "Apple", presented, |iss| [APPLE, APPLE_ACCOUNT].contains(&iss));
        ("apple", enabled_first(config, "apple", issuer)?)
    } else if named("google", &[GOOGLE]) {
        ("google", GOOGLE.to_owned())
    } else if presented.provider == "azure" || claims::is_azure(&presented.issuer) {
        let url = config.external.get("azure").map(|settings| settings.url.trim_end_matches('/'));
        let speaks = |iss: &str| claims::azure_speaks(url.unwrap_or_default(), iss);
        let issuer = detected(claimed(), "Azure", presented, speaks);
        ("azure", enabled_first(config, "azure", issuer)?)
    } else if named("facebook", &[FACEBOOK]) {
        ("facebook", FACEBOOK.to_owned())
    } else if presented.provider == "keycloak" || (!keycloak.is_empty() && presented.issuer == keycloak) {
        ("keycloak", keycloak.to_owned())
    } else if named("kakao", &[KAKAO]) {
        ("kakao", KAKAO.to_owned())
    } else if named("vercel_marketplace", &[VERCEL]) {
        ("vercel_marketplace", VERCEL.to_owned())
    } else if named("snapchat", &[SNAPCHAT]) {
        ("snapchat", SNAPCHAT.to_owned())
    } else {
        return listed(ctx, presented);
    };
    let Some(settings) = config.external.get(provider).filter(|settings| settings.enabled) else {
        return Err(Error::ProviderDisabled(format!("Provider (issuer \"{issuer}\") is not enabled")));
    };
    let mut client_ids = settings.client_ids();
    if provider == "apple" {
        client_ids.extend(Some(config.ios_bundle_id.clone()).filter(|id| !id.is_empty()));
    }
    Ok(Expected {
        issuer,
        custom: None,
        provider: provider.to_owned(),
        url: settings.url.trim_end_matches('/').to_owned(),
        client_ids,
        // Facebook's tokens have none.
        skip_nonce_check: settings.skip_nonce_check || provider == "facebook",
        email_optional: settings.email_optional,
    })
}

impl Expected {
    fn read(&self, claims: &Object) -> Profile {
        match &self.custom {
            Some(custom) => custom::claims::in_id_token(custom, claims),
            None => claims::of_id_token(claims, &self.url),
        }
    }
}

/// The provider that an administrator defined under this name.
async fn defined(ctx: &Context, name: &str) -> Result<Expected, Error> {
    if !ctx.config().custom_oauth.enabled {
        return Err(Error::invalid("Custom OAuth providers are disabled"));
    }
    let found = custom::find(ctx, name).await?;
    let custom = found.ok_or_else(|| Error::invalid(format!("Custom provider {name:?} not found")))?;
    if !custom.enabled {
        return Err(Error::ProviderDisabled(format!("Custom provider {name:?} is disabled")));
    }
    if custom.issuer(custom::reach(ctx.config())).is_none() {
        return Err(Error::invalid(format!("Provider {name:?} is not an OIDC provider")));
    }
    Ok(Expected {
        issuer: String::new(),
        provider: custom.identifier.clone(),
        url: String::new(),
        client_ids: custom.client_ids(),
        skip_nonce_check: custom.skips_nonce_check(),
        email_optional: custom.email_optional,
        custom: Some(Box::new(custom)),
    })
}

/// What is wrong with a token says nothing where the provider is switched off.
fn enabled_first(
    config: &crate::Config,
    provider: &str,
    issuer: Result<String, Error>,
) -> Result<String, Error> {
    match issuer {
        Err(_) if !super::provider::is_enabled(config, provider) => Ok(String::new()),
        issuer => issuer,
    }
}

/// An issuer that has several names is the one that the token says, if it is one of them.
fn detected(
    claimed: Option<String>,
    name: &str,
    presented: &Presented,
    fits: impl Fn(&str) -> bool,
) -> Result<String, Error> {
    let unable = || Error::invalid(format!("Unable to detect issuer in ID token for {name} provider"));
    let issuer = claimed.ok_or_else(unable)?;
    if !fits(&issuer) {
        let article = if name == "Azure" || name == "Apple" { "an" } else { "a" };
        return Err(Error::invalid(format!(
            "Detected ID token issuer is not {article} {name} ID token issuer"
        )));
    }
    if !presented.issuer.is_empty() && presented.issuer != issuer {
        return Err(Error::invalid("Provided issuer does not match ID token issuer"));
    }
    Ok(issuer)
}

/// An issuer of the settings' list, for the client that the request names.
fn listed(ctx: &Context, presented: &Presented) -> Result<Expected, Error> {
    let Presented { provider, issuer, client_id, .. } = presented;
    if !ctx.config().allowed_id_token_issuers.contains(issuer) || client_id.is_empty() {
        return Err(Error::invalid(format!("Custom OIDC provider \"{provider}\" not allowed")));
    }
    Ok(Expected {
        issuer: issuer.clone(),
        custom: None,
        provider: issuer.clone(),
        url: String::new(),
        client_ids: vec![client_id.clone()],
        skip_nonce_check: false,
        email_optional: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces() {
        let hash = hex::encode(Sha256::digest("n"));
        assert!(check_nonce("n", &hash).is_ok() && check_nonce("", "").is_ok());
        for (presented, in_token) in [("n", ""), ("", hash.as_str()), ("m", &hash), (&hash, &hash)] {
            assert!(check_nonce(presented, in_token).is_err(), "{presented} {in_token}");
        }
    }
}
