//! `auth.oauth_authorizations`: requests of applications for access, from the browser's arrival to the
//! exchange of the code, after which they are gone.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use uuid::Uuid;

/// A request for access.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuthorizationRow {
    pub(crate) id: Uuid,
    /// What the page that asks for consent knows it by.
    pub(crate) authorization_id: String,
    pub(crate) client_id: Uuid,
    /// Who looked at it first; nobody else may answer.
    pub(crate) user_id: Option<Uuid>,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) state: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) challenge_method: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) is_pending: bool,
    pub(crate) expires_at: DateTime<Utc>,
}

const SELECT: &str = "\
select id, authorization_id, client_id, user_id, redirect_uri, scope, state, resource, code_challenge,
       code_challenge_method::text as code_challenge_method, nonce, status = 'pending' as is_pending, expires_at
  from auth.oauth_authorizations";

fn authorization(row: &Row) -> Result<AuthorizationRow, Error> {
    Ok(AuthorizationRow {
        id: row.try_get("id")?,
        authorization_id: row.try_get("authorization_id")?,
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        redirect_uri: row.try_get("redirect_uri")?,
        scope: row.try_get("scope")?,
        state: row.try_get("state")?,
        resource: row.try_get("resource")?,
        challenge: row.try_get("code_challenge")?,
        challenge_method: row.try_get("code_challenge_method")?,
        nonce: row.try_get("nonce")?,
        is_pending: row.try_get("is_pending")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// A new request for access. Empty texts are none.
pub(crate) struct NewAuthorization<'a> {
    pub(crate) authorization_id: &'a str,
    pub(crate) client_id: Uuid,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) state: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) challenge: &'a str,
    pub(crate) challenge_method: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewAuthorization<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.oauth_authorizations
  (id, authorization_id, client_id, redirect_uri, scope, state, resource, code_challenge, code_challenge_method,
   nonce, response_type, status, created_at, expires_at)
values ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), nullif($8, ''),
        nullif($9::text, '')::auth.code_challenge_method, nullif($10, ''), 'code', 'pending', $11, $12)";
    session
        .execute(
            INSERT,
            &[
                &Uuid::new_v4(),
                &new.authorization_id,
                &new.client_id,
                &new.redirect_uri,
                &new.scope,
                &new.state,
                &new.resource,
                &new.challenge,
                &new.challenge_method,
                &new.nonce,
                &now,
                &new.expires_at,
            ],
        )
        .await
        .map(drop)
}

/// The request that the page asks about, which nobody else answers until the transaction ends.
pub(crate) async fn lock(session: &mut Session, id: &str) -> Result<Option<AuthorizationRow>, Error> {
    let sql = format!("{SELECT} where authorization_id = $1 for update");
    let row = session.query_opt(&sql, &[&id]).await?;
    row.as_ref().map(authorization).transpose()
}

/// The request that was granted with this code, which nobody else exchanges until the transaction ends.
pub(crate) async fn lock_by_code(
    session: &mut Session,
    code: &str,
) -> Result<Option<AuthorizationRow>, Error> {
    let sql = format!("{SELECT} where authorization_code = $1 and status = 'approved' for update");
    let row = session.query_opt(&sql, &[&code]).await?;
    row.as_ref().map(authorization).transpose()
}

pub(crate) async fn update_user(session: &mut Session, id: Uuid, user_id: Uuid) -> Result<(), Error> {
    const UPDATE: &str = "update auth.oauth_authorizations set user_id = $2 where id = $1";
    session.execute(UPDATE, &[&id, &user_id]).await.map(drop)
}

/// Granted: the application gets this code.
pub(crate) async fn approve(
    session: &mut Session,
    id: Uuid,
    code: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.oauth_authorizations set status = 'approved', approved_at = $3, authorization_code = $2 where id = $1";
    session.execute(UPDATE, &[&id, &code, &now]).await.map(drop)
}

pub(crate) async fn deny(session: &mut Session, id: Uuid) -> Result<(), Error> {
    const UPDATE: &str = "update auth.oauth_authorizations set status = 'denied' where id = $1";
    session.execute(UPDATE, &[&id]).await.map(drop)
}

pub(crate) async fn expire(session: &mut Session, id: Uuid) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.oauth_authorizations set status = 'expired' where id = $1 and status = 'pending'";
    session.execute(UPDATE, &[&id]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.oauth_authorizations where id = $1", &[&id]).await.map(drop)
}

/// Forgets what an application asked of someone, with codes that were not exchanged yet.
pub(crate) async fn delete_of(session: &mut Session, user_id: Uuid, client_id: Uuid) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.oauth_authorizations where user_id = $1 and client_id = $2";
    session.execute(DELETE, &[&user_id, &client_id]).await.map(drop)
}
