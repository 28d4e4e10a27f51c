//! `auth.saml_relay_states`: sign-ins that are under way at an identity provider.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// A sign-in under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RelayState {
    pub(crate) provider_id: Uuid,
    /// The request that has to be answered.
    pub(crate) request_id: String,
    pub(crate) redirect_to: String,
    /// The sign-in that a code completes, if the client wants one.
    pub(crate) flow_state_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
}

pub(crate) async fn insert(session: &mut Session, id: Uuid, new: &RelayState) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.saml_relay_states
  (id, sso_provider_id, request_id, redirect_to, flow_state_id, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $6)";
    let RelayState { provider_id, request_id, redirect_to, flow_state_id, created_at } = new;
    session
        .execute(INSERT, &[&id, provider_id, request_id, redirect_to, flow_state_id, created_at])
        .await
        .map(drop)
}

/// The sign-in, which is not under way any more with that.
pub(crate) async fn take(session: &mut Session, id: Uuid) -> Result<Option<RelayState>, Error> {
    const DELETE: &str = "\
delete from auth.saml_relay_states where id = $1
returning sso_provider_id, request_id, coalesce(redirect_to, '') as redirect_to, flow_state_id, created_at";
    let Some(row) = session.query_opt(DELETE, &[&id]).await? else { return Ok(None) };
    Ok(Some(RelayState {
        provider_id: row.try_get("sso_provider_id")?,
        request_id: row.try_get("request_id")?,
        redirect_to: row.try_get("redirect_to")?,
        flow_state_id: row.try_get("flow_state_id")?,
        created_at: row.try_get::<_, Option<_>>("created_at")?.unwrap_or_default(),
    }))
}
