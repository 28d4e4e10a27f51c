//! `auth.flow_state`: sign-ins that end with the exchange of a code (PKCE).

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// A sign-in under way.
pub(crate) struct NewFlow<'a> {
    pub(crate) user_id: Uuid,
    pub(crate) auth_code: &'a str,
    /// `s256` or `plain`.
    pub(crate) method: &'a str,
    pub(crate) challenge: &'a str,
    pub(crate) provider_type: &'a str,
    pub(crate) authentication_method: &'a str,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewFlow<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.flow_state
  (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type, authentication_method,
   created_at, updated_at)
values ($1, $2, $3, $4::text::auth.code_challenge_method, $5, $6, $7, $8, $8)";
    let NewFlow { user_id, auth_code, method, challenge, provider_type, authentication_method } = new;
    session
        .execute(
            INSERT,
            &[
                &Uuid::new_v4(),
                user_id,
                auth_code,
                method,
                challenge,
                provider_type,
                authentication_method,
                &now,
            ],
        )
        .await
        .map(drop)
}

/// A sign-in whose code came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flow {
    pub(crate) id: Uuid,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) method: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) provider_type: String,
    pub(crate) authentication_method: String,
    pub(crate) provider_access_token: Option<String>,
    pub(crate) provider_refresh_token: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) auth_code_issued_at: Option<DateTime<Utc>>,
}

/// The sign-in of this code, locked until the transaction ends: a code is good for one exchange.
pub(crate) async fn find_by_code(session: &mut Session, code: &str) -> Result<Option<Flow>, Error> {
    const SELECT: &str = "\
select id, user_id, code_challenge_method::text as method, code_challenge, provider_type,
       authentication_method, provider_access_token, provider_refresh_token, created_at, auth_code_issued_at
  from auth.flow_state where auth_code = $1 and auth_code <> '' limit 1 for update";
    let Some(row) = session.query_opt(SELECT, &[&code]).await? else { return Ok(None) };
    Ok(Some(Flow {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        method: row.try_get("method")?,
        challenge: row.try_get("code_challenge")?,
        provider_type: row.try_get("provider_type")?,
        authentication_method: row.try_get("authentication_method")?,
        provider_access_token: row.try_get("provider_access_token")?,
        provider_refresh_token: row.try_get("provider_refresh_token")?,
        created_at: row.try_get::<_, Option<_>>("created_at")?.unwrap_or_default(),
        auth_code_issued_at: row.try_get("auth_code_issued_at")?,
    }))
}

/// Marks the newest sign-in of this user and method as confirmed and returns its code.
pub(crate) async fn issue_code(
    session: &mut Session,
    user_id: Uuid,
    authentication_method: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>, Error> {
    const UPDATE: &str = "\
update auth.flow_state set auth_code_issued_at = $3, updated_at = $3
 where id = (select id from auth.flow_state where user_id = $1 and authentication_method = $2
              order by created_at desc limit 1)
returning auth_code";
    let row = session.query_opt(UPDATE, &[&user_id, &authentication_method, &now]).await?;
    row.map(|row| Ok(row.try_get::<_, Option<String>>("auth_code")?.unwrap_or_default())).transpose()
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.flow_state where id = $1", &[&id]).await.map(drop)
}
