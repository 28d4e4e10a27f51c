//! `auth.oauth_consents`: what people allow applications.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// What someone allowed an application.
pub(crate) struct Consent {
    pub(crate) client_id: Uuid,
    pub(crate) scopes: String,
    pub(crate) granted_at: DateTime<Utc>,
}

/// The scopes that are allowed at present.
pub(crate) async fn find_active(
    session: &mut Session,
    user_id: Uuid,
    client_id: Uuid,
) -> Result<Option<String>, Error> {
    const SELECT: &str = "\
select scopes from auth.oauth_consents where user_id = $1 and client_id = $2 and revoked_at is null";
    let row = session.query_opt(SELECT, &[&user_id, &client_id]).await?;
    row.map(|row| Ok(row.try_get("scopes")?)).transpose()
}

/// All that someone allows at present, newest first.
pub(crate) async fn list_active(session: &mut Session, user_id: Uuid) -> Result<Vec<Consent>, Error> {
    const SELECT: &str = "\
select client_id, scopes, granted_at from auth.oauth_consents
 where user_id = $1 and revoked_at is null order by granted_at desc";
    let rows = session.query(SELECT, &[&user_id]).await?;
    rows.iter()
        .map(|row| {
            Ok(Consent {
                client_id: row.try_get("client_id")?,
                scopes: row.try_get("scopes")?,
                granted_at: row.try_get("granted_at")?,
            })
        })
        .collect()
}

/// Allows the scopes, in place of what was allowed before.
pub(crate) async fn upsert(
    session: &mut Session,
    user_id: Uuid,
    client_id: Uuid,
    scopes: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPSERT: &str = "\
insert into auth.oauth_consents (id, user_id, client_id, scopes, granted_at) values ($1, $2, $3, $4, $5)
on conflict (user_id, client_id)
   do update set scopes = excluded.scopes, granted_at = excluded.granted_at, revoked_at = null";
    session.execute(UPSERT, &[&Uuid::new_v4(), &user_id, &client_id, &scopes, &now]).await.map(drop)
}

/// Takes back what was allowed; `false` if nothing was.
pub(crate) async fn revoke(
    session: &mut Session,
    user_id: Uuid,
    client_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    const UPDATE: &str = "\
update auth.oauth_consents set revoked_at = greatest($3, granted_at)
 where user_id = $1 and client_id = $2 and revoked_at is null";
    Ok(session.execute(UPDATE, &[&user_id, &client_id, &now]).await? > 0)
}
