//! The way back: whom the provider sent, and with what they leave.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde_json::Value;
use uuid::Uuid;

use super::accounts::text;
use super::enter::{self, Arrival, Entered};
use super::exchange::{self, Tokens};
use super::profile::Profile;
use super::provider::{Provider, Source};
use super::twitter::{self, Pair};
use crate::access_token::delta;
use crate::account::{self, NotCreated};
use crate::error::{Error, External, OrInternal};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::flow_state::{self, SignIn};
use crate::store::{oauth_client_states, users};

/// How long the provider's half of the secret is kept.
const CLIENT_STATE_EXPIRY: TimeDelta = TimeDelta::minutes(5);

/// With what the browser goes on.
pub(crate) enum Finished {
    /// A code that only the client that began can exchange.
    Code(String),
    In(Box<Grant>),
}

const LOADING: &str = "Error loading flow state";

/// The sign-in that `state` belongs to.
pub(crate) async fn sign_in_of(ctx: &Context, state: &str) -> Result<SignIn, Error> {
    if state.is_empty() {
        return Err(Error::BadOAuthState("OAuth state parameter missing"));
    }
    let id = Uuid::try_parse(state).map_err(|_| External::StateInvalid)?;
    let mut connection = ctx.service.pool.session().await.or_internal(LOADING)?;
    let found = flow_state::find_sign_in(&mut connection, id).await.or_internal(LOADING)?;
    let sign_in = found.ok_or(External::StateUnknown)?;
    if ctx.now - sign_in.created_at > delta(ctx.config().flow_state_expiry()) {
        return Err(External::StateExpired.into());
    }
    if sign_in.is_used {
        return Err(External::StateUsed.into());
    }
    if let Some(target) = sign_in.linking_target {
        let target = users::find(&mut connection, target).await.or_internal("Database error loading user")?;
        target.ok_or(External::NoTarget)?;
    }
    Ok(sign_in)
}

/// Completes a sign-in with what the provider sent along.
pub(crate) async fn finish(
    ctx: &Context,
    sign_in: &SignIn,
    params: &HashMap<String, String>,
) -> Result<Finished, Error> {
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    if !param("error").is_empty() {
        let (error, description) = (param("error").to_owned(), param("error_description").to_owned());
        return Err(External::Refused { error, description }.into());
    }
    let code = param("code");
    if code.is_empty() && sign_in.provider != twitter::NAME {
        return Err(External::NoCode.into());
    }
    let provider = Provider::load(ctx, &sign_in.provider, "").await;
    let provider = provider.map_err(|error| error.into_error(|text| External::NotSupported(text).into()))?;
    let verifier = verifier(ctx, sign_in, &provider).await?;
    let (tokens, mut profile) = match provider.source {
        Source::Twitter => at_twitter(ctx, &provider, verifier.as_deref(), params).await?,
        _ => by_code(ctx, &provider, code, verifier.as_deref()).await?,
    };
    if sign_in.provider == "apple" {
        profile = with_name_of_apple(profile, param("user"));
    }
    if profile.emails.is_empty() && !sign_in.email_optional {
        let text = "Error getting user email from external provider";
        return Err(Error::Internal { text, source: None });
    }
    let profile = profile.settled();
    if sign_in.linking_target.is_none() && sign_in.invite_token.is_none() {
        enter::ask_hook(ctx, arrival(sign_in, &profile)).await?;
    }
    // Another request may have made the same account at the same time: it exists, then.
    match settle(ctx, sign_in, &profile, &tokens).await {
        Err(NotCreated::Taken) => Ok(settle(ctx, sign_in, &profile, &tokens).await?),
        result => Ok(result?),
    }
}

async fn by_code(
    ctx: &Context,
    provider: &Provider,
    code: &str,
    verifier: Option<&str>,
) -> Result<(Tokens, Profile), Error> {
    let tokens = exchange::tokens(ctx, provider, code, verifier).await;
    let tokens = tokens.map_err(|error| External::Exchange {
        begin: code.chars().take(4).collect(),
        source: Box::new(error),
    })?;
    let profile = exchange::profile(ctx, provider, &tokens).await;
    Ok((tokens, profile.or_internal("Error getting user profile from external provider")?))
}

async fn at_twitter(
    ctx: &Context,
    provider: &Provider,
    remembered: Option<&str>,
    params: &HashMap<String, String>,
) -> Result<(Tokens, Profile), Error> {
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    if !param("denied").is_empty() {
        let (error, description) = ("access_denied".to_owned(), "The user has denied access".to_owned());
        return Err(External::Refused { error, description }.into());
    }
    let pending = remembered.and_then(Pair::read).filter(|pending| pending.is_for(param("oauth_token")));
    let pending = pending.ok_or(External::NoVerifier)?;
    let account = twitter::complete(ctx, provider, &pending, param("oauth_verifier")).await;
    account.or_internal("Unable to retrieve access token")
}

/// The secret between us and a provider that wants PKCE, or signs; good once.
async fn verifier(ctx: &Context, sign_in: &SignIn, provider: &Provider) -> Result<Option<String>, Error> {
    const FAILED: &str = "Failed to find OAuth state";
    let Some(id) = sign_in.client_state else {
        return if provider.pkce { Err(External::NoVerifier.into()) } else { Ok(None) };
    };
    let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
    let taken = oauth_client_states::take(&mut connection, id).await.or_internal(FAILED)?;
    let state = taken.ok_or(External::ClientStateNotFound)?;
    if state.provider != provider.name {
        return Err(External::OtherProvider.into());
    }
    if ctx.now - state.created_at > CLIENT_STATE_EXPIRY {
        return Err(External::ClientStateExpired.into());
    }
    Ok(Some(state.verifier))
}

/// Apple tells the name once, beside the token.
fn with_name_of_apple(profile: Profile, user: &str) -> Profile {
    let user: Value = serde_json::from_str(user).unwrap_or_default();
    profile.named(format!("{} {}", text(&user, "/name/firstName"), text(&user, "/name/lastName")))
}

fn arrival<'a>(sign_in: &'a SignIn, profile: &'a Profile) -> Arrival<'a> {
    Arrival { provider: &sign_in.provider, profile, email_optional: sign_in.email_optional, traits: None }
}

/// All that is written, in one transaction that only one of several equal requests completes.
async fn settle(
    ctx: &Context,
    sign_in: &SignIn,
    profile: &Profile,
    tokens: &Tokens,
) -> Result<Finished, NotCreated> {
    let failed = NotCreated::Failed;
    let mut tx = ctx.service.pool.begin().await.or_internal(LOADING).map_err(failed)?;
    let held = flow_state::hold_sign_in(&mut tx, sign_in.id).await.or_internal(LOADING).map_err(failed)?;
    if !held {
        return Err(failed(External::StateUsed.into()));
    }
    let arrival = arrival(sign_in, profile);
    let entered = match (sign_in.linking_target, sign_in.invite_token.as_deref()) {
        (Some(target), _) => enter::link(ctx, &mut tx, target, arrival).await.map_err(failed)?,
        (None, Some(token)) => {
            enter::accept_invitation(ctx, &mut tx, token, arrival).await.map_err(failed)?
        }
        (None, None) => enter::enter(ctx, &mut tx, arrival).await?,
    };
    let finished = match entered {
        Entered::Unproved(refusal) => Err(refusal.into()),
        Entered::In(user) => Ok(match &sign_in.auth_code {
            Some(code) => {
                let issued =
                    flow_state::issue(&mut tx, sign_in.id, user.id, &tokens.access, &tokens.refresh, ctx.now);
                issued.await.or_internal(LOADING).map_err(failed)?;
                Finished::Code(code.clone())
            }
            None => {
                let mut grant = session::open(ctx, &mut tx, *user, "oauth").await.map_err(failed)?;
                grant.provider_token = Some(tokens.access.clone());
                grant.provider_refresh_token = Some(tokens.refresh.clone()).filter(|token| !token.is_empty());
                flow_state::delete(&mut tx, sign_in.id).await.or_internal(LOADING).map_err(failed)?;
                Finished::In(Box::new(grant))
            }
        }),
    };
    // What was written is kept also where the address has to be proved first.
    account::commit_creation(ctx, tx).await.map_err(failed)?;
    finished.map_err(failed)
}
