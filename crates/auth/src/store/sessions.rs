//! `auth.sessions` with their `auth.mfa_amr_claims`: how and when their user proved who they are.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDateTime, Utc};
use db::{Error, Row, Session};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// A session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionRow {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) aal: Option<String>,
    pub(crate) not_after: Option<DateTime<Utc>>,
    pub(crate) refreshed_at: Option<DateTime<Utc>>,
    pub(crate) user_agent: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) tag: Option<String>,
    pub(crate) oauth_client_id: Option<Uuid>,
    pub(crate) hmac_key: Option<String>,
    pub(crate) counter: Option<i64>,
    pub(crate) scopes: Option<String>,
    pub(crate) methods: Vec<Method>,
}

/// A way the user proved who they are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Method {
    pub(crate) method: String,
    pub(crate) at: DateTime<Utc>,
}

/// `refreshed_at` has no zone and holds UTC.
const SELECT: &str = "\
select s.id, s.user_id, s.created_at, s.aal::text as aal, s.not_after, s.refreshed_at, s.tag,
       s.user_agent, host(s.ip) as ip,
       s.oauth_client_id, s.refresh_token_hmac_key, s.refresh_token_counter, s.scopes,
       (select jsonb_agg(jsonb_build_object('method', a.authentication_method, 'at', a.updated_at)
                         order by a.updated_at desc)
          from auth.mfa_amr_claims a where a.session_id = s.id) as methods
  from auth.sessions s
";

fn session(row: &Row) -> Result<SessionRow, Error> {
    let methods = match row.try_get::<_, Option<Value>>("methods")? {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list).map_err(|error| Error::Client(error.to_string()))?,
    };
    Ok(SessionRow {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        created_at: row.try_get::<_, Option<_>>("created_at")?.unwrap_or_default(),
        aal: row.try_get("aal")?,
        not_after: row.try_get("not_after")?,
        refreshed_at: row.try_get::<_, Option<NaiveDateTime>>("refreshed_at")?.map(|at| at.and_utc()),
        user_agent: row.try_get("user_agent")?,
        ip: row.try_get::<_, Option<String>>("ip")?.and_then(|ip| ip.parse().ok()),
        tag: row.try_get("tag")?,
        oauth_client_id: row.try_get("oauth_client_id")?,
        hmac_key: row.try_get("refresh_token_hmac_key")?,
        counter: row.try_get("refresh_token_counter")?,
        scopes: row.try_get("scopes")?,
        methods,
    })
}

pub(crate) async fn find(connection: &mut Session, id: Uuid) -> Result<Option<SessionRow>, Error> {
    let row = connection.query_opt(&format!("{SELECT} where s.id = $1"), &[&id]).await?;
    row.as_ref().map(session).transpose()
}

/// The session, locked until the transaction ends; `None` if it is gone or someone else's for now.
pub(crate) async fn find_unlocked(connection: &mut Session, id: Uuid) -> Result<Option<SessionRow>, Error> {
    let sql = format!("{SELECT} where s.id = $1 for update of s skip locked");
    let row = connection.query_opt(&sql, &[&id]).await?;
    row.as_ref().map(session).transpose()
}

pub(crate) async fn list(connection: &mut Session, user_id: Uuid) -> Result<Vec<SessionRow>, Error> {
    let rows = connection.query(&format!("{SELECT} where s.user_id = $1"), &[&user_id]).await?;
    rows.iter().map(session).collect()
}

/// A session to be opened.
pub(crate) struct NewSession<'a> {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    /// Both or neither: tokens of version 2 have them.
    pub(crate) hmac_key: Option<&'a str>,
    pub(crate) counter: Option<i64>,
    /// The application whose session it is, and what it may learn.
    pub(crate) oauth_client_id: Option<Uuid>,
    pub(crate) scopes: Option<&'a str>,
}

pub(crate) async fn insert(
    connection: &mut Session,
    new: &NewSession<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.sessions
  (id, user_id, created_at, updated_at, aal, user_agent, ip, refresh_token_hmac_key, refresh_token_counter,
   oauth_client_id, scopes)
values ($1, $2, $3, $3, 'aal1', $4, $5::text::inet, $6, $7, $8, $9)";
    let ip = new.ip.map(|ip| ip.to_string());
    session_execute(
        connection,
        INSERT,
        &[
            &new.id,
            &new.user_id,
            &now,
            &new.user_agent,
            &ip,
            &new.hmac_key,
            &new.counter,
            &new.oauth_client_id,
            &new.scopes,
        ],
    )
    .await
}

/// Notes how the user proved who they are; again, if they did so before.
pub(crate) async fn add_method(
    connection: &mut Session,
    id: Uuid,
    method: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
values ($1, $2, $3, $3, $4)
on conflict (session_id, authentication_method) do update set updated_at = excluded.updated_at";
    session_execute(connection, INSERT, &[&Uuid::new_v4(), &id, &now, &method]).await
}

/// What a refresh leaves behind.
pub(crate) struct Refreshed<'a> {
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) hmac_key: Option<&'a str>,
    pub(crate) counter: Option<i64>,
}

pub(crate) async fn refresh(
    connection: &mut Session,
    id: Uuid,
    to: &Refreshed<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.sessions
   set refreshed_at = $2, updated_at = $3, user_agent = $4, ip = $5::text::inet,
       refresh_token_hmac_key = $6, refresh_token_counter = $7
 where id = $1";
    let ip = to.ip.map(|ip| ip.to_string());
    session_execute(
        connection,
        UPDATE,
        &[&id, &now.naive_utc(), &now, &to.user_agent, &ip, &to.hmac_key, &to.counter],
    )
    .await
}

/// The session ends at this moment at the latest.
pub(crate) async fn end_at(connection: &mut Session, id: Uuid, at: DateTime<Utc>) -> Result<(), Error> {
    session_execute(connection, "update auth.sessions set not_after = $2 where id = $1", &[&id, &at]).await
}

/// The session, locked until the transaction ends.
pub(crate) async fn lock(connection: &mut Session, id: Uuid) -> Result<Option<SessionRow>, Error> {
    let row = connection.query_opt(&format!("{SELECT} where s.id = $1 for update of s"), &[&id]).await?;
    row.as_ref().map(session).transpose()
}

/// The session was raised by a second factor; its refresh tokens go on at `counter`.
pub(crate) async fn raise(
    connection: &mut Session,
    id: Uuid,
    factor_id: Option<Uuid>,
    counter: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.sessions set aal = 'aal2', factor_id = $2, refresh_token_counter = $3, updated_at = $4 where id = $1";
    session_execute(connection, UPDATE, &[&id, &factor_id, &counter, &now]).await
}

/// Sessions of the account that no second factor raised end.
pub(crate) async fn delete_unraised(connection: &mut Session, user_id: Uuid) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.sessions where user_id = $1 and coalesce(aal, 'aal1') < 'aal2'";
    session_execute(connection, DELETE, &[&user_id]).await
}

/// Sessions raised by a factor that is gone fall back. If no proved factor of its kind is left, no
/// session of the account counts as raised by that kind.
pub(crate) async fn lower_aal(
    connection: &mut Session,
    user_id: Uuid,
    factor_id: Uuid,
    factor_type: &str,
    method: &str,
) -> Result<(), Error> {
    const LOWER: &str = "\
with forgotten as (
  delete from auth.mfa_amr_claims a using auth.sessions s
   where s.id = a.session_id and s.user_id = $1 and a.authentication_method = $3
     and (s.factor_id = $2
          or not exists (select from auth.mfa_factors f where f.user_id = $1 and f.status = 'verified'
                            and f.factor_type = $4::text::auth.factor_type)))
update auth.sessions set aal = 'aal1', factor_id = null where user_id = $1 and factor_id = $2";
    session_execute(connection, LOWER, &[&user_id, &factor_id, &method, &factor_type]).await
}

/// No session of the account counts as raised by this method any more, which is of no factor.
pub(crate) async fn forget_method(
    connection: &mut Session,
    user_id: Uuid,
    method: &str,
) -> Result<(), Error> {
    const FORGET: &str = "\
with forgotten as (
  delete from auth.mfa_amr_claims a using auth.sessions s
   where s.id = a.session_id and s.user_id = $1 and a.authentication_method = $2)
update auth.sessions set aal = 'aal1' where user_id = $1 and factor_id is null";
    session_execute(connection, FORGET, &[&user_id, &method]).await
}

/// Ends one session of an account; false if it has none of this id.
pub(crate) async fn delete_one(connection: &mut Session, user_id: Uuid, id: Uuid) -> Result<bool, Error> {
    const DELETE: &str = "delete from auth.sessions where user_id = $1 and id = $2";
    Ok(connection.execute(DELETE, &[&user_id, &id]).await? > 0)
}

pub(crate) async fn delete(connection: &mut Session, id: Uuid) -> Result<(), Error> {
    session_execute(connection, "delete from auth.sessions where id = $1", &[&id]).await
}

pub(crate) async fn delete_of_user(connection: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session_execute(connection, "delete from auth.sessions where user_id = $1", &[&user_id]).await
}

pub(crate) async fn delete_others(connection: &mut Session, user_id: Uuid, kept: Uuid) -> Result<(), Error> {
    session_execute(
        connection,
        "delete from auth.sessions where user_id = $1 and id <> $2",
        &[&user_id, &kept],
    )
    .await
}

/// Whether the account has a session that was last used from this network.
pub(crate) async fn is_known(
    connection: &mut Session,
    user_id: Uuid,
    network: Option<(IpAddr, u8)>,
) -> Result<bool, Error> {
    const KNOWN: &str =
        "select exists (select from auth.sessions where user_id = $1 and ip <<= $2::text::inet)";
    let network = network.map(|(address, bits)| format!("{address}/{bits}"));
    connection.query_one(KNOWN, &[&user_id, &network]).await?.try_get(0).map_err(Error::from)
}

/// Sessions that an application has of someone end.
pub(crate) async fn delete_of_grant(
    connection: &mut Session,
    user_id: Uuid,
    client_id: Uuid,
) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.sessions where user_id = $1 and oauth_client_id = $2";
    session_execute(connection, DELETE, &[&user_id, &client_id]).await
}

/// All sessions of an application end.
pub(crate) async fn delete_of_client(connection: &mut Session, client_id: Uuid) -> Result<(), Error> {
    session_execute(connection, "delete from auth.sessions where oauth_client_id = $1", &[&client_id]).await
}

async fn session_execute(connection: &mut Session, sql: &str, params: &[db::Param<'_>]) -> Result<(), Error> {
    connection.execute(sql, params).await.map(drop)
}
