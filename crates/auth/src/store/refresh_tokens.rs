//! `auth.refresh_tokens`: refresh tokens of version 1, which are rows.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use uuid::Uuid;

/// A token of version 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TokenRow {
    pub(crate) id: i64,
    pub(crate) token: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) revoked: bool,
    pub(crate) parent: String,
    pub(crate) updated_at: DateTime<Utc>,
}

fn token(row: &Row) -> Result<TokenRow, Error> {
    Ok(TokenRow {
        id: row.try_get("id")?,
        token: row.try_get::<_, Option<String>>("token")?.unwrap_or_default(),
        user_id: row.try_get::<_, Option<String>>("user_id")?.and_then(|id| Uuid::try_parse(&id).ok()),
        session_id: row.try_get::<_, Option<Uuid>>("session_id")?.filter(|id| !id.is_nil()),
        revoked: row.try_get::<_, Option<bool>>("revoked")?.unwrap_or_default(),
        parent: row.try_get::<_, Option<String>>("parent")?.unwrap_or_default(),
        updated_at: row.try_get::<_, Option<_>>("updated_at")?.unwrap_or_default(),
    })
}

pub(crate) async fn find(session: &mut Session, text: &str) -> Result<Option<TokenRow>, Error> {
    const SELECT: &str = "\
select id, token, user_id, session_id, revoked, parent, updated_at from auth.refresh_tokens where token = $1";
    session.query_opt(SELECT, &[&text]).await?.as_ref().map(token).transpose()
}

/// The token of the session that was not used yet.
pub(crate) async fn find_active(session: &mut Session, session_id: Uuid) -> Result<Option<TokenRow>, Error> {
    const SELECT: &str = "\
select id, token, user_id, session_id, revoked, parent, updated_at from auth.refresh_tokens
 where session_id = $1 and revoked = false order by id desc limit 1";
    session.query_opt(SELECT, &[&session_id]).await?.as_ref().map(token).transpose()
}

/// A token to be written.
pub(crate) struct NewToken<'a> {
    pub(crate) token: &'a str,
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
    /// The token it replaces; empty for the first.
    pub(crate) parent: &'a str,
    pub(crate) revoked: bool,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewToken<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.refresh_tokens
  (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id)
values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $4, nullif($5::text, ''), $6)";
    let user_id = new.user_id.to_string();
    session
        .execute(INSERT, &[&new.token, &user_id, &new.revoked, &now, &new.parent, &new.session_id])
        .await
        .map(drop)
}

pub(crate) async fn revoke(session: &mut Session, id: i64, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "update auth.refresh_tokens set revoked = true, updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn revoke_family(
    session: &mut Session,
    session_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.refresh_tokens set revoked = true, updated_at = $2 where session_id = $1 and revoked = false";
    session.execute(UPDATE, &[&session_id, &now]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: i64) -> Result<(), Error> {
    session.execute("delete from auth.refresh_tokens where id = $1", &[&id]).await.map(drop)
}
