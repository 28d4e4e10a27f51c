//! `auth.oauth_client_states`: secrets between us and providers that want PKCE.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// A secret, and for whom it was made.
pub(crate) struct ClientState {
    pub(crate) provider: String,
    pub(crate) verifier: String,
    pub(crate) created_at: DateTime<Utc>,
}

pub(crate) async fn insert(
    session: &mut Session,
    id: Uuid,
    provider: &str,
    verifier: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.oauth_client_states (id, provider_type, code_verifier, created_at) values ($1, $2, $3, $4)";
    session.execute(INSERT, &[&id, &provider, &verifier, &now]).await.map(drop)
}

/// The secret, which is gone with that.
pub(crate) async fn take(session: &mut Session, id: Uuid) -> Result<Option<ClientState>, Error> {
    const DELETE: &str = "\
delete from auth.oauth_client_states where id = $1 returning provider_type, code_verifier, created_at";
    let Some(row) = session.query_opt(DELETE, &[&id]).await? else { return Ok(None) };
    Ok(Some(ClientState {
        provider: row.try_get("provider_type")?,
        verifier: row.try_get::<_, Option<_>>("code_verifier")?.unwrap_or_default(),
        created_at: row.try_get("created_at")?,
    }))
}
