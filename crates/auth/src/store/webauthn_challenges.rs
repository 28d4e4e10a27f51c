//! `auth.webauthn_challenges`: passkey ceremonies that were begun.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

/// What a ceremony is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Of this account.
    Registration(Uuid),
    /// Of whoever turns out to be meant.
    Authentication,
}

impl Purpose {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Registration(user_id) => ("registration", Some(user_id)),
            Self::Authentication => ("authentication", None),
        }
    }
}

pub(crate) async fn insert(
    session: &mut Session,
    id: Uuid,
    purpose: Purpose,
    state: &Value,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.webauthn_challenges (id, user_id, challenge_type, session_data, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6)";
    let (kind, user_id) = purpose.columns();
    session.execute(INSERT, &[&id, &user_id, &kind, &state, &now, &expires_at]).await.map(drop)
}

/// Uses the ceremony up; returns its state and when it ends. It is gone whatever comes of it.
pub(crate) async fn consume(
    session: &mut Session,
    id: Uuid,
    purpose: Purpose,
) -> Result<Option<(Value, DateTime<Utc>)>, Error> {
    const DELETE: &str = "\
delete from auth.webauthn_challenges
 where id = $1 and challenge_type = $2 and user_id is not distinct from $3
returning session_data, expires_at";
    let (kind, user_id) = purpose.columns();
    let Some(row) = session.query_opt(DELETE, &[&id, &kind, &user_id]).await? else { return Ok(None) };
    Ok(Some((row.try_get("session_data")?, row.try_get("expires_at")?)))
}
