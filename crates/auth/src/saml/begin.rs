//! The way out: the browser goes to the identity provider of an organisation.

use uuid::Uuid;

use super::Party;
use super::description::Description;
use super::request::{self, Request};
use crate::error::{Error, OrInternal, Saml};
use crate::pkce::Challenge;
use crate::service::Context;
use crate::store::flow_state::{self, NewSignIn};
use crate::store::saml_relay_states::{self, RelayState};
use crate::store::sso_providers;

/// Which provider is wanted.
pub(crate) enum Wanted<'a> {
    Id(Uuid),
    /// The one of this domain.
    Domain(&'a str),
}

/// How sign-ins by SAML are called in flows and sessions.
pub(crate) const METHOD: &str = "sso/saml";

/// Begins a sign-in and returns where the browser has to go.
pub(crate) async fn begin(
    ctx: &Context,
    party: &Party,
    wanted: Wanted<'_>,
    redirect_to: &str,
    challenge: Option<Challenge>,
) -> Result<String, Error> {
    const FINDING: &str = "Unable to find SSO provider";
    const FLOW: &str = "Error creating flow state";
    const RELAY: &str = "Error creating SAML relay state from sign up";
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let (provider, missing) = match wanted {
        Wanted::Id(id) => (sso_providers::find(&mut tx, id).await, "No such SSO provider"),
        Wanted::Domain(domain) => {
            (sso_providers::find_by_domain(&mut tx, domain).await, "No SSO provider assigned for this domain")
        }
    };
    let provider = provider.or_internal(FINDING)?.ok_or(Saml::NoProvider(missing))?;
    if provider.disabled == Some(true) {
        return Err(Saml::Disabled("SSO Provider is currently disabled").into());
    }
    let description = Description::read(&provider.metadata_xml);
    let description = description.or_internal("Error parsing SAML Metadata for SAML provider")?;
    let location = description.sign_in.ok_or(Error::Internal {
        text: "Error creating SAML Authentication Request",
        source: Some("the metadata names no SingleSignOnService for HTTP-Redirect".into()),
    })?;
    let redirect_to = ctx.settings.targets.choose([redirect_to]).to_owned();
    let flow_state_id = challenge.as_ref().map(|_| Uuid::new_v4());
    if let (Some(id), Some(challenge)) = (flow_state_id, &challenge) {
        let auth_code = Uuid::new_v4().to_string();
        let new = NewSignIn {
            id,
            provider: METHOD,
            authentication_method: METHOD,
            auth_code: Some(&auth_code),
            method: Some(challenge.method()),
            challenge: Some(challenge.text()),
            invite_token: "",
            referrer: &redirect_to,
            client_state: None,
            linking_target: None,
            email_optional: false,
        };
        flow_state::begin(&mut tx, &new, ctx.now).await.or_internal(FLOW)?;
    }
    let (id, request_id) = (Uuid::new_v4(), request::fresh_id());
    let state =
        RelayState { provider_id: provider.id, request_id, redirect_to, flow_state_id, created_at: ctx.now };
    saml_relay_states::insert(&mut tx, id, &state).await.or_internal(RELAY)?;
    tx.commit().await.or_internal(RELAY)?;
    let request = Request {
        id: &state.request_id,
        location: &location,
        name_id_format: provider.name_id_format.as_deref(),
        now: ctx.now,
    };
    let address = request.address(party, &id.to_string());
    address.or_internal("Error creating SAML authentication request redirect URL")
}
