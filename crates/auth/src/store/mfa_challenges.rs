//! `auth.mfa_challenges`: what second factors were asked to answer.
//!
//! `otp_code` holds what was sent to a phone. For codes of apps, which upstream leaves without, it
//! holds the step of time whose code was accepted, so that a code is good once. It is never NULL,
//! which upstream cannot read.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

/// A challenge to be remembered.
pub(crate) struct NewChallenge<'a> {
    pub(crate) id: Uuid,
    pub(crate) factor_id: Uuid,
    pub(crate) ip: IpAddr,
    pub(crate) otp_code: Option<&'a str>,
    pub(crate) web_authn: Option<&'a Value>,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewChallenge<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.mfa_challenges (id, factor_id, created_at, ip_address, otp_code, web_authn_session_data)
values ($1, $2, $3, $4::text::inet, coalesce($5::text, ''), $6)";
    let ip = new.ip.to_string();
    session
        .execute(INSERT, &[&new.id, &new.factor_id, &now, &ip, &new.otp_code, &new.web_authn])
        .await
        .map(drop)
}

/// A challenge that waits for its answer, or had it.
pub(crate) struct ChallengeRow {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) verified_at: Option<DateTime<Utc>>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) otp_code: Option<String>,
    pub(crate) web_authn: Option<Value>,
}

/// The factor's challenge, locked until the transaction ends.
pub(crate) async fn lock(
    session: &mut Session,
    id: Uuid,
    factor_id: Uuid,
) -> Result<Option<ChallengeRow>, Error> {
    const SELECT: &str = "\
select id, created_at, verified_at, host(ip_address) as ip, otp_code, web_authn_session_data
  from auth.mfa_challenges where id = $1 and factor_id = $2 for update";
    let Some(row) = session.query_opt(SELECT, &[&id, &factor_id]).await? else { return Ok(None) };
    Ok(Some(ChallengeRow {
        id: row.try_get("id")?,
        created_at: row.try_get("created_at")?,
        verified_at: row.try_get("verified_at")?,
        ip: row.try_get::<_, Option<String>>("ip")?.and_then(|ip| ip.parse().ok()),
        otp_code: row.try_get::<_, Option<String>>("otp_code")?.filter(|code| !code.is_empty()),
        web_authn: row.try_get("web_authn_session_data")?,
    }))
}

/// The challenge was answered; `step` is that of an app's code.
pub(crate) async fn set_verified(
    session: &mut Session,
    id: Uuid,
    step: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.mfa_challenges set verified_at = $2, otp_code = coalesce($3, otp_code) where id = $1";
    session.execute(UPDATE, &[&id, &now, &step.map(|step| step.to_string())]).await.map(drop)
}

/// The latest step whose code the factor had accepted.
pub(crate) async fn last_step(session: &mut Session, factor_id: Uuid) -> Result<Option<i64>, Error> {
    const SELECT: &str = "\
select max(otp_code::bigint) as step from auth.mfa_challenges
 where factor_id = $1 and verified_at is not null and otp_code ~ '^[0-9]{1,18}$'";
    Ok(session.query_one(SELECT, &[&factor_id]).await?.try_get("step")?)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.mfa_challenges where id = $1", &[&id]).await.map(drop)
}
