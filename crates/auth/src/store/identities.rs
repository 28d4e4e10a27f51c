//! `auth.identities`. `email` is generated from `identity_data` and never written.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

use crate::user::Object;

/// A new way for an account to sign in.
pub(crate) struct NewIdentity<'a> {
    pub(crate) user_id: Uuid,
    pub(crate) provider: &'a str,
    pub(crate) provider_id: &'a str,
    pub(crate) data: &'a Object,
}

pub(crate) async fn insert(
    session: &mut Session,
    new: &NewIdentity<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.identities
  (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at, id)
values ($1, $2, $3, $4, $5, $5, $5, $6)";
    let data = Value::Object(new.data.clone());
    session
        .execute(INSERT, &[&new.provider_id, &new.user_id, &data, &new.provider, &now, &Uuid::new_v4()])
        .await
        .map(drop)
}

/// What stands for the id at its provider in an identity that was made before anybody signed in with it.
pub(crate) fn placeholder(user_id: Uuid) -> String {
    format!("scim:{user_id}")
}

/// An identity that was made before anybody signed in with it becomes that of whoever does, if the account has
/// one at the provider. Returns whether it has.
pub(crate) async fn adopt(
    session: &mut Session,
    new: &NewIdentity<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    const UPDATE: &str = "\
update auth.identities
   set provider_id = $4, identity_data = $5, last_sign_in_at = $6, updated_at = $6
 where user_id = $1 and provider = $2 and provider_id = $3";
    let data = Value::Object(new.data.clone());
    let placeholder = placeholder(new.user_id);
    let params: [db::Param<'_>; 6] =
        [&new.user_id, &new.provider, &placeholder, &new.provider_id, &data, &now];
    Ok(session.execute(UPDATE, &params).await? == 1)
}

/// The identity of an account at a provider: its id and the account it belongs to.
pub(crate) async fn find(
    session: &mut Session,
    provider: &str,
    provider_id: &str,
) -> Result<Option<(Uuid, Uuid)>, Error> {
    const SELECT: &str = "select id, user_id from auth.identities where provider = $1 and provider_id = $2";
    let row = session.query_opt(SELECT, &[&provider, &provider_id]).await?;
    row.map(|row| Ok((row.try_get("id")?, row.try_get("user_id")?))).transpose()
}

/// The first of these ids that an identity at the provider has.
pub(crate) async fn find_spelling(
    session: &mut Session,
    provider: &str,
    ids: &[String],
) -> Result<Option<String>, Error> {
    const SELECT: &str = "\
select provider_id from auth.identities
 where provider = $1 and provider_id = any ($2) order by array_position($2, provider_id) limit 1";
    let row = session.query_opt(SELECT, &[&provider, &ids]).await?;
    row.map(|row| Ok(row.try_get("provider_id")?)).transpose()
}

/// An account with an identity of some address.
pub(crate) struct Holder {
    pub(crate) user_id: Uuid,
    /// Whose identity it is.
    pub(crate) provider: String,
    /// Whether the account is kept apart from those of the first linking domain.
    pub(crate) is_sso_user: bool,
}

/// The accounts with an identity whose address is one of these, and proved or the account's own.
pub(crate) async fn holders(
    session: &mut Session,
    emails: &[String],
    aud: &str,
) -> Result<Vec<Holder>, Error> {
    const SELECT: &str = "\
select distinct i.user_id, i.provider, u.is_sso_user
  from auth.identities i join auth.users u on u.id = i.user_id
 where i.email = any ($1) and u.aud = $2
   and (i.identity_data ->> 'email_verified' = 'true' or lower(u.email) = i.email or i.provider like 'sso:%')";
    let rows = session.query(SELECT, &[&emails, &aud]).await?;
    let holder = |row: &db::Row| {
        Ok(Holder {
            user_id: row.try_get("user_id")?,
            provider: row.try_get("provider")?,
            is_sso_user: row.try_get("is_sso_user")?,
        })
    };
    rows.iter().map(holder).collect()
}

/// What the provider says now, in place of what it said before.
pub(crate) async fn replace_data(
    session: &mut Session,
    id: Uuid,
    data: &Object,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.identities set identity_data = $2, last_sign_in_at = $3, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &Value::Object(data.clone()), &now]).await.map(drop)
}

pub(crate) async fn merge_data(
    session: &mut Session,
    id: Uuid,
    changes: &Object,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.identities set identity_data = identity_data || $2::jsonb, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &Value::Object(changes.clone()), &now]).await.map(drop)
}

/// Marks the address as verified in every identity of the account that has it.
pub(crate) async fn verify_email(
    session: &mut Session,
    user_id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.identities
   set identity_data = identity_data || '{\"email_verified\": true}', updated_at = $3
 where user_id = $1 and email = lower($2)";
    session.execute(UPDATE, &[&user_id, &email, &now]).await.map(drop)
}

pub(crate) async fn delete_others(
    session: &mut Session,
    user_id: Uuid,
    provider: &str,
) -> Result<u64, Error> {
    session
        .execute("delete from auth.identities where user_id = $1 and provider <> $2", &[&user_id, &provider])
        .await
}

pub(crate) async fn delete_all_but(session: &mut Session, user_id: Uuid, kept: Uuid) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.identities where user_id = $1 and id <> $2";
    session.execute(DELETE, &[&user_id, &kept]).await.map(drop)
}

/// Empties an identity of a deleted account.
pub(crate) async fn obscure(
    session: &mut Session,
    id: Uuid,
    provider_id: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.identities set identity_data = '{}', provider_id = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &provider_id, &now]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.identities where id = $1", &[&id]).await.map(drop)
}
