//! `auth.mfa_factors`. Lists of factors come with their account, without secrets.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

/// A factor to be proved. Supabase Auth reads no NULL in `friendly_name` and `secret`, and with a
/// factor that it cannot read it cannot read the account.
pub(crate) struct NewFactor<'a> {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) friendly_name: &'a str,
    pub(crate) factor_type: &'a str,
    pub(crate) secret: Option<&'a str>,
    pub(crate) phone: Option<&'a str>,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewFactor<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.mfa_factors
  (id, user_id, friendly_name, factor_type, status, secret, phone, created_at, updated_at)
values ($1, $2, $3, $4::text::auth.factor_type, 'unverified', coalesce($5::text, ''), $6, $7, $7)";
    session
        .execute(
            INSERT,
            &[&new.id, &new.user_id, &new.friendly_name, &new.factor_type, &new.secret, &new.phone, &now],
        )
        .await
        .map(drop)
}

/// A factor with what it is checked by.
pub(crate) struct FactorRow {
    pub(crate) verified: bool,
    pub(crate) secret: String,
    pub(crate) last_challenged_at: Option<DateTime<Utc>>,
}

/// The factor as it is now, and as it stays until the transaction ends.
pub(crate) async fn lock(session: &mut Session, id: Uuid) -> Result<Option<FactorRow>, Error> {
    const SELECT: &str = "\
select status = 'verified' as verified, coalesce(secret, '') as secret, last_challenged_at
  from auth.mfa_factors where id = $1 for no key update";
    let Some(row) = session.query_opt(SELECT, &[&id]).await? else { return Ok(None) };
    Ok(Some(FactorRow {
        verified: row.try_get("verified")?,
        secret: row.try_get("secret")?,
        last_challenged_at: row.try_get("last_challenged_at")?,
    }))
}

/// The credentials of the account's proved security keys, with the factors they belong to.
pub(crate) async fn credentials(session: &mut Session, user_id: Uuid) -> Result<Vec<(Uuid, Value)>, Error> {
    const SELECT: &str = "\
select id, web_authn_credential from auth.mfa_factors
 where user_id = $1 and factor_type = 'webauthn' and status = 'verified' and web_authn_credential is not null
 order by created_at, id";
    let rows = session.query(SELECT, &[&user_id]).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("web_authn_credential")?))).collect()
}

/// Notes that the factor was challenged. The column is unique over all factors: of two in one
/// microsecond the second counts as a microsecond later.
pub(crate) async fn set_challenged(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.mfa_factors
   set last_challenged_at = greatest($2, (select max(last_challenged_at) + interval '1 microsecond'
                                            from auth.mfa_factors where last_challenged_at >= $2))
 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn set_verified(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "update auth.mfa_factors set status = 'verified', updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

/// The same secret in another form.
pub(crate) async fn replace_secret(session: &mut Session, id: Uuid, secret: &str) -> Result<(), Error> {
    session.execute("update auth.mfa_factors set secret = $2 where id = $1", &[&id, &secret]).await.map(drop)
}

/// Keeps the credential of a security key, and the make of its authenticator.
pub(crate) async fn set_credential(
    session: &mut Session,
    id: Uuid,
    credential: &Value,
    aaguid: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.mfa_factors set web_authn_credential = $2, web_authn_aaguid = $3, updated_at = $4 where id = $1";
    session.execute(UPDATE, &[&id, &credential, &aaguid, &now]).await.map(drop)
}

/// Keeps the last ceremony that a security key took part in.
pub(crate) async fn set_last_ceremony(
    session: &mut Session,
    id: Uuid,
    ceremony: &Value,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.mfa_factors set last_webauthn_challenge_data = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &ceremony, &now]).await.map(drop)
}

pub(crate) async fn update_friendly_name(
    session: &mut Session,
    id: Uuid,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.mfa_factors set friendly_name = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &name, &now]).await.map(drop)
}

pub(crate) async fn update_phone(
    session: &mut Session,
    id: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.mfa_factors set phone = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &phone, &now]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.mfa_factors where id = $1", &[&id]).await.map(drop)
}

/// Removes the account's factors that were never proved nor challenged and are older than `before`.
pub(crate) async fn delete_abandoned(
    session: &mut Session,
    user_id: Uuid,
    before: DateTime<Utc>,
) -> Result<(), Error> {
    const DELETE: &str = "\
delete from auth.mfa_factors f
 where f.user_id = $1 and f.status = 'unverified' and f.created_at < $2
   and not exists (select from auth.mfa_challenges c where c.factor_id = f.id)";
    session.execute(DELETE, &[&user_id, &before]).await.map(drop)
}

/// Removes the account's factors of this number that were never proved.
pub(crate) async fn delete_unproved_phone(
    session: &mut Session,
    user_id: Uuid,
    phone: &str,
) -> Result<(), Error> {
    const DELETE: &str = "\
delete from auth.mfa_factors
 where user_id = $1 and factor_type = 'phone' and status = 'unverified' and phone = $2";
    session.execute(DELETE, &[&user_id, &phone]).await.map(drop)
}

/// Removes the account's factors of this type that were never proved.
pub(crate) async fn delete_unproved(
    session: &mut Session,
    user_id: Uuid,
    factor_type: &str,
) -> Result<(), Error> {
    const DELETE: &str = "\
delete from auth.mfa_factors
 where user_id = $1 and status = 'unverified' and factor_type = $2::text::auth.factor_type";
    session.execute(DELETE, &[&user_id, &factor_type]).await.map(drop)
}

pub(crate) async fn delete_all(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.mfa_factors where user_id = $1", &[&user_id]).await.map(drop)
}
