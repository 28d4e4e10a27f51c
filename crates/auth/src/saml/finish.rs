//! The way back: what the browser brings from an identity provider.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use super::assertion::Assertion;
use super::description::Description;
use super::mapping;
use super::providers;
use super::response::{self, ACCEPTABLE, Expected};
use crate::access_token::delta;
use crate::account::{self, NotCreated};
use crate::error::{Error, OrInternal, Saml};
use crate::oauth::enter::{self, Arrival, Entered};
use crate::oauth::finish::Finished;
use crate::oauth::profile::Profile;
use crate::service::Context;
use crate::session;
use crate::store::sso_providers::SsoProvider;
use crate::store::{flow_state, saml_relay_states, session_ends, sessions, spent, sso_providers};

use super::begin::METHOD;

const FINDING: &str = "Unable to find SSO Provider";

/// What came by form.
pub(crate) struct Message<'a> {
    pub(crate) response: &'a str,
    pub(crate) relay_state: &'a str,
    /// Whether what came is an invitation to fetch the response.
    pub(crate) is_artifact: bool,
}

/// Where a message belongs.
struct Origin {
    provider: SsoProvider,
    /// What it has to answer, if we asked.
    request_id: Option<String>,
    redirect_to: String,
    flow_state_id: Option<Uuid>,
}

/// Completes a sign-in; returns where the browser goes, and with what.
pub(crate) async fn finish(ctx: &Context, message: &Message<'_>) -> Result<(String, Finished), Error> {
    let (origin, text) = match Uuid::try_parse(message.relay_state) {
        Ok(id) if !id.is_nil() => {
            let origin = asked(ctx, id).await?;
            (origin, decode(message)?)
        }
        _ => unasked(ctx, message).await?,
    };
    if origin.provider.disabled == Some(true) {
        return Err(Saml::Disabled("SSO Provider assigned for this domain is currently disabled").into());
    }
    let description = providers::description(ctx, &origin.provider).await?;
    let assertion = read(ctx, text, description, origin.request_id.clone()).await?;
    let profile = profile(&origin.provider, &assertion)?;
    let target = ctx.settings.targets.choose([origin.redirect_to.as_str()]).to_owned();
    let name = format!("sso:{}", origin.provider.id);
    let arrival = Arrival { provider: &name, profile: &profile, email_optional: false, traits: None };
    enter::ask_hook(ctx, arrival).await?;
    // Another request may have made the same account at the same time: it exists, then.
    let finished = match settle(ctx, &origin, &assertion, arrival).await {
        Err(NotCreated::Taken) => settle(ctx, &origin, &assertion, arrival).await?,
        result => result?,
    };
    Ok((target, finished))
}

/// The sign-in that we began, which is over with that.
async fn asked(ctx: &Context, id: Uuid) -> Result<Origin, Error> {
    let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
    let state = saml_relay_states::take(&mut connection, id).await.or_internal(FINDING)?;
    let state = state.ok_or(Saml::RelayStateNotFound)?;
    if ctx.now - state.created_at >= delta(ctx.config().saml.relay_state_validity_period) {
        return Err(Saml::RelayStateExpired.into());
    }
    let provider = sso_providers::find(&mut connection, state.provider_id).await.or_internal(FINDING)?;
    Ok(Origin {
        provider: provider.ok_or(Saml::UnknownIssuer)?,
        request_id: Some(state.request_id),
        redirect_to: state.redirect_to,
        flow_state_id: state.flow_state_id,
    })
}

/// A sign-in that the identity provider began.
async fn unasked(ctx: &Context, message: &Message<'_>) -> Result<(Origin, String), Error> {
    let relay_state = message.relay_state;
    if !relay_state.is_empty() && !relay_state.starts_with('/') && Url::parse(relay_state).is_err() {
        return Err(Error::invalid("SAML RelayState is not a valid UUID or URL"));
    }
    if message.is_artifact {
        return Err(Error::invalid("SAML Artifact response can only be used with SP initiated flow"));
    }
    let text = decode(message)?;
    let issuer = response::issuer(&text).map_err(|error| {
        tracing::info!(%error, "a message that says to be from an identity provider cannot be read");
        Error::invalid("SAMLResponse is not a valid XML SAML assertion")
    })?;
    let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
    let provider = sso_providers::find_by_entity_id(&mut connection, &issuer).await.or_internal(FINDING)?;
    let provider = provider.ok_or(Saml::UnknownIssuer)?;
    let origin =
        Origin { provider, request_id: None, redirect_to: relay_state.to_owned(), flow_state_id: None };
    Ok((origin, text))
}

fn decode(message: &Message<'_>) -> Result<String, Error> {
    if message.response.is_empty() {
        let text = if message.is_artifact {
            "SAML Artifact responses are not supported"
        } else {
            "SAMLResponse is missing"
        };
        return Err(Error::invalid(text));
    }
    let text: String = message.response.split_ascii_whitespace().collect();
    let bytes =
        STANDARD.decode(text).map_err(|_| Error::invalid("SAMLResponse is not a valid Base64 string"))?;
    String::from_utf8(bytes).map_err(|_| Error::invalid("SAMLResponse is not a valid XML SAML assertion"))
}

/// Verifies aside, and few at a time: it is work, and done in C.
async fn read(
    ctx: &Context,
    text: String,
    description: Description,
    request_id: Option<String>,
) -> Result<Assertion, Error> {
    const FAILED: &str = "Error verifying SAML Assertion";
    let seat = Arc::clone(&ctx.service.saml.seats).acquire_owned().await.or_internal(FAILED)?;
    let (settings, now) = (Arc::clone(&ctx.settings), ctx.now);
    let work = move || {
        let _seat = seat;
        let party = settings.party.as_ref().ok_or(Error::SamlDisabled)?;
        let request_id = request_id.as_deref();
        let read = response::read(&text, Expected { party, provider: &description, request_id, now });
        read.map_err(|reason| Saml::from(reason).into())
    };
    tokio::task::spawn_blocking(work).await.or_internal(FAILED)?
}

/// The person that an assertion is about, in the terms of identities.
fn profile(provider: &SsoProvider, assertion: &Assertion) -> Result<Profile, Error> {
    let user_id = assertion.user_id();
    if user_id.is_empty() {
        return Err(Saml::NoUserId.into());
    }
    let mut claims = provider.mapping.claims(assertion);
    let mapped = claims.get("email").and_then(Value::as_str).filter(|email| !email.is_empty());
    let email = mapped.unwrap_or(assertion.email()).to_owned();
    if email.is_empty() {
        return Err(Saml::NoEmail.into());
    }
    claims.remove("email");
    let (data, custom) = mapping::sorted(claims).ok_or(Error::Internal {
        text: "Mapped claims from provider could not be deserialized from JSON",
        source: None,
    })?;
    let profile = Profile { emails: Vec::new(), data };
    let profile = profile.with("iss", &provider.entity_id).with("sub", user_id).custom(Value::Object(custom));
    Ok(profile.reached_at(email, true).settled())
}

/// All that is written, in one transaction that only one of several equal messages completes.
async fn settle(
    ctx: &Context,
    origin: &Origin,
    assertion: &Assertion,
    arrival: Arrival<'_>,
) -> Result<Finished, NotCreated> {
    const FAILED: &str = "Unable to issue refresh token from SAML Assertion";
    let failed = NotCreated::Failed;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED).map_err(failed)?;
    let (hash, expires_at) = (fingerprint(&origin.provider, assertion), assertion.issued_at + ACCEPTABLE);
    let is_first =
        spent::insert(&mut tx, "saml", &hash, expires_at.max(ctx.now) + TimeDelta::minutes(1)).await;
    if !is_first.or_internal(FAILED).map_err(failed)? {
        return Err(failed(Saml::Invalid("the assertion was used before".into()).into()));
    }
    let user = match enter::enter(ctx, &mut tx, arrival).await? {
        Entered::In(user) => *user,
        Entered::Unproved(refusal) => return Err(failed(refusal.into())),
    };
    let code = match origin.flow_state_id {
        Some(id) => {
            let held = flow_state::hold_code(&mut tx, id).await.or_internal(FAILED).map_err(failed)?;
            held.ok_or(Saml::StateUsed).map_err(|error| failed(error.into()))?.map(|code| (id, code))
        }
        None => None,
    };
    let finished = match code {
        Some((id, code)) => {
            let issued = flow_state::issue(&mut tx, id, user.id, "", "", ctx.now);
            issued.await.or_internal(FAILED).map_err(failed)?;
            if let Some(at) = assertion.session_ends_at {
                session_ends::insert(&mut tx, id, at).await.or_internal(FAILED).map_err(failed)?;
            }
            Finished::Code(code)
        }
        None => {
            let grant = session::open(ctx, &mut tx, user, METHOD).await.map_err(failed)?;
            end_with(&mut tx, grant.session_id, assertion.session_ends_at).await.map_err(failed)?;
            Finished::In(Box::new(grant))
        }
    };
    account::commit_creation(ctx, tx).await.map_err(failed)?;
    Ok(finished)
}

/// What tells one assertion of a provider from all others.
fn fingerprint(provider: &SsoProvider, assertion: &Assertion) -> Vec<u8> {
    Sha256::new().chain_update(provider.id.as_bytes()).chain_update(&assertion.id).finalize().to_vec()
}

/// A session ends with that at the identity provider, if it said when.
pub(crate) async fn end_with(
    tx: &mut db::Session,
    session_id: Uuid,
    ends_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    match ends_at {
        Some(at) => sessions::end_at(tx, session_id, at).await.or_internal("Database error granting user"),
        None => Ok(()),
    }
}
