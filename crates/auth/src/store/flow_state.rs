//! `auth.flow_state`: sign-ins that end with the exchange of a code (PKCE). Tokens of providers that
//! are not there are empty: upstream reads no NULL.

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
   created_at, updated_at, provider_access_token, provider_refresh_token)
values ($1, $2, $3, $4::text::auth.code_challenge_method, $5, $6, $7, $8, $8, '', '')";
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

/// A sign-in at another provider that begins.
pub(crate) struct NewSignIn<'a> {
    pub(crate) id: Uuid,
    pub(crate) provider: &'a str,
    pub(crate) authentication_method: &'a str,
    /// With method and challenge, if the client will exchange a code.
    pub(crate) auth_code: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) challenge: Option<&'a str>,
    pub(crate) invite_token: &'a str,
    pub(crate) referrer: &'a str,
    pub(crate) client_state: Option<Uuid>,
    pub(crate) linking_target: Option<Uuid>,
    pub(crate) email_optional: bool,
}

pub(crate) async fn begin(
    session: &mut Session,
    new: &NewSignIn<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.flow_state
  (id, auth_code, code_challenge_method, code_challenge, provider_type, authentication_method, invite_token,
   referrer, oauth_client_state_id, linking_target_id, email_optional, created_at, updated_at,
   provider_access_token, provider_refresh_token)
values ($1, $2, $3::text::auth.code_challenge_method, $4, $5, $6, nullif($7::text, ''), $8, $9, $10, $11,
        $12, $12, '', '')";
    let NewSignIn { id, provider, authentication_method, auth_code, method, challenge, .. } = new;
    let NewSignIn { invite_token, referrer, .. } = new;
    session
        .execute(
            INSERT,
            &[
                id,
                auth_code,
                method,
                challenge,
                provider,
                authentication_method,
                invite_token,
                referrer,
                &new.client_state,
                &new.linking_target,
                &new.email_optional,
                &now,
            ],
        )
        .await
        .map(drop)
}

/// A sign-in at another provider that is under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SignIn {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    /// What the client will exchange; none if it gets the session at once.
    pub(crate) auth_code: Option<String>,
    pub(crate) invite_token: Option<String>,
    pub(crate) referrer: String,
    pub(crate) client_state: Option<Uuid>,
    pub(crate) linking_target: Option<Uuid>,
    pub(crate) email_optional: bool,
    pub(crate) created_at: DateTime<Utc>,
    /// Whether somebody came back from the provider already.
    pub(crate) is_used: bool,
}

pub(crate) async fn find_sign_in(session: &mut Session, id: Uuid) -> Result<Option<SignIn>, Error> {
    const SELECT: &str = "\
select provider_type, case when coalesce(code_challenge, '') <> '' then auth_code end as auth_code, invite_token,
       coalesce(referrer, '') as referrer, oauth_client_state_id, linking_target_id, email_optional, created_at,
       user_id is not null as is_used
  from auth.flow_state where id = $1 and authentication_method = 'oauth'";
    let Some(row) = session.query_opt(SELECT, &[&id]).await? else { return Ok(None) };
    Ok(Some(SignIn {
        id,
        provider: row.try_get("provider_type")?,
        auth_code: row.try_get("auth_code")?,
        invite_token: row.try_get::<_, Option<String>>("invite_token")?.filter(|token| !token.is_empty()),
        referrer: row.try_get("referrer")?,
        client_state: row.try_get("oauth_client_state_id")?,
        linking_target: row.try_get("linking_target_id")?,
        email_optional: row.try_get("email_optional")?,
        created_at: row.try_get::<_, Option<_>>("created_at")?.unwrap_or_default(),
        is_used: row.try_get("is_used")?,
    }))
}

/// Keeps all others from completing this sign-in until the transaction ends; false if one of them was
/// faster.
pub(crate) async fn hold_sign_in(session: &mut Session, id: Uuid) -> Result<bool, Error> {
    const SELECT: &str = "select id from auth.flow_state where id = $1 and user_id is null for update";
    Ok(session.query_opt(SELECT, &[&id]).await?.is_some())
}

/// Keeps all others from completing this single sign-on until the transaction ends, and returns the code
/// that the client will exchange, if it wants one; `None` if one of the others was faster.
pub(crate) async fn hold_code(session: &mut Session, id: Uuid) -> Result<Option<Option<String>>, Error> {
    const SELECT: &str = "\
select case when coalesce(code_challenge, '') <> '' then auth_code end as auth_code
  from auth.flow_state
 where id = $1 and user_id is null and authentication_method = 'sso/saml' for update";
    let row = session.query_opt(SELECT, &[&id]).await?;
    row.map(|row| Ok(row.try_get("auth_code")?)).transpose()
}

/// The sign-in is the user's: its code may be exchanged.
pub(crate) async fn issue(
    session: &mut Session,
    id: Uuid,
    user_id: Uuid,
    access_token: &str,
    refresh_token: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.flow_state
   set user_id = $2, provider_access_token = $3, provider_refresh_token = $4, auth_code_issued_at = $5,
       updated_at = $5
 where id = $1";
    session.execute(UPDATE, &[&id, &user_id, &access_token, &refresh_token, &now]).await.map(drop)
}
