//! `auth.users`, always with the account's identities and factors: one round trip per account.
//!
//! Here accounts are found, made and changed in small; [`address`] writes addresses and numbers, [`code`] codes,
//! [`metadata`] what is said of an account, [`removal`] its end; [`listing`] lists many.

mod address;
mod code;
mod listing;
mod metadata;
mod removal;

use chrono::{DateTime, Utc};
use db::{Error, Param, Row, Session};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::address::{
    clear_phone, confirm_email, confirm_email_change, confirm_phone, confirm_phone_change,
    half_confirm_email_change, replace_email, set_email_change, set_phone_change, update_email, update_phone,
};
pub(crate) use self::code::{
    clear_reauthentication, clear_recovery, set_confirmation, set_reauthentication, set_recovery, void_code,
};
pub(crate) use self::listing::{Listing, Sought, count, list};
pub(crate) use self::metadata::{merge_app_metadata, merge_user_metadata, update_providers};
pub(crate) use self::removal::{Remains, delete, disown, soft_delete};
use crate::user::{Object, User};

/// Upstream's look-ups filter on the instance, which has been the nil UUID for years; rows made by
/// hand may have none.
const SELECT: &str = "\
select u.id, u.aud, u.role, u.email, u.encrypted_password, u.email_confirmed_at, u.invited_at,
       u.phone, u.phone_confirmed_at, u.confirmed_at, u.confirmation_token, u.confirmation_sent_at,
       u.recovery_token, u.recovery_sent_at, u.email_change, u.email_change_token_current,
       u.email_change_token_new, u.email_change_sent_at, u.email_change_confirm_status,
       u.phone_change, u.phone_change_token, u.phone_change_sent_at, u.reauthentication_token,
       u.reauthentication_sent_at, u.last_sign_in_at, u.raw_app_meta_data, u.raw_user_meta_data,
       u.created_at, u.updated_at, u.banned_until, u.deleted_at, u.is_sso_user, u.is_anonymous,
       (select jsonb_agg(jsonb_build_object(
                 'id', i.id, 'provider_id', i.provider_id, 'user_id', i.user_id,
                 'identity_data', i.identity_data, 'provider', i.provider,
                 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
                 'updated_at', i.updated_at, 'email', i.email) order by i.created_at, i.id)
          from auth.identities i where i.user_id = u.id) as identities,
       (select jsonb_agg(jsonb_build_object(
                 'id', f.id, 'created_at', f.created_at, 'updated_at', f.updated_at,
                 'status', f.status, 'friendly_name', f.friendly_name, 'factor_type', f.factor_type,
                 'phone', f.phone, 'last_challenged_at', f.last_challenged_at,
                 'web_authn_aaguid', f.web_authn_aaguid,
                 'last_webauthn_challenge_data', f.last_webauthn_challenge_data)
                 order by f.created_at, f.id)
          from auth.mfa_factors f where f.user_id = u.id) as factors
  from auth.users u
 where (u.instance_id = '00000000-0000-0000-0000-000000000000' or u.instance_id is null)
";

fn user(row: &Row) -> Result<User, Error> {
    let text = |column: &str| -> Result<String, Error> {
        Ok(row.try_get::<_, Option<String>>(column)?.unwrap_or_default())
    };
    let moment = |column: &str| -> Result<Option<DateTime<Utc>>, Error> { Ok(row.try_get(column)?) };
    let object = |column: &str| -> Result<Object, Error> {
        Ok(match row.try_get::<_, Option<Value>>(column)? {
            Some(Value::Object(object)) => object,
            _ => Object::new(),
        })
    };
    let created_at = moment("created_at")?.unwrap_or_default();
    Ok(User {
        id: row.try_get("id")?,
        aud: text("aud")?,
        role: text("role")?,
        email: text("email")?,
        encrypted_password: text("encrypted_password")?,
        email_confirmed_at: moment("email_confirmed_at")?,
        invited_at: moment("invited_at")?,
        phone: text("phone")?,
        phone_confirmed_at: moment("phone_confirmed_at")?,
        confirmed_at: moment("confirmed_at")?,
        confirmation_token: text("confirmation_token")?,
        confirmation_sent_at: moment("confirmation_sent_at")?,
        recovery_token: text("recovery_token")?,
        recovery_sent_at: moment("recovery_sent_at")?,
        email_change: text("email_change")?,
        email_change_token_current: text("email_change_token_current")?,
        email_change_token_new: text("email_change_token_new")?,
        email_change_sent_at: moment("email_change_sent_at")?,
        email_change_confirm_status: row
            .try_get::<_, Option<i16>>("email_change_confirm_status")?
            .unwrap_or_default(),
        phone_change: text("phone_change")?,
        phone_change_token: text("phone_change_token")?,
        phone_change_sent_at: moment("phone_change_sent_at")?,
        reauthentication_token: text("reauthentication_token")?,
        reauthentication_sent_at: moment("reauthentication_sent_at")?,
        last_sign_in_at: moment("last_sign_in_at")?,
        app_metadata: object("raw_app_meta_data")?,
        user_metadata: object("raw_user_meta_data")?,
        created_at,
        updated_at: moment("updated_at")?.unwrap_or(created_at),
        banned_until: moment("banned_until")?,
        deleted_at: moment("deleted_at")?,
        is_sso_user: row.try_get("is_sso_user")?,
        is_anonymous: row.try_get("is_anonymous")?,
        identities: items(row, "identities")?,
        factors: items(row, "factors")?,
    })
}

fn items<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<Vec<T>, Error> {
    match row.try_get::<_, Option<Value>>(column)? {
        None => Ok(Vec::new()),
        Some(list) => serde_json::from_value(list).map_err(|error| Error::Client(error.to_string())),
    }
}

async fn one(session: &mut Session, condition: &str, params: &[Param<'_>]) -> Result<Option<User>, Error> {
    let row = session.query_opt(&format!("{SELECT}{condition}"), params).await?;
    row.as_ref().map(user).transpose()
}

pub(crate) async fn find(session: &mut Session, id: Uuid) -> Result<Option<User>, Error> {
    one(session, "and u.id = $1", &[&id]).await
}

pub(crate) async fn get(session: &mut Session, id: Uuid) -> Result<User, Error> {
    find(session, id).await?.ok_or_else(|| Error::Client(format!("user {id} is gone")))
}

/// The account as it is now, and as it stays until the transaction ends.
pub(crate) async fn lock(session: &mut Session, id: Uuid) -> Result<Option<User>, Error> {
    // Read in a statement of its own: one that waited for the lock would see the account's identities and
    // factors as they were before.
    session.execute("select from auth.users where id = $1 for no key update", &[&id]).await?;
    find(session, id).await
}

/// The account that signs in with this address; those of single sign-on do not.
pub(crate) async fn find_by_email(
    session: &mut Session,
    email: &str,
    aud: &str,
) -> Result<Option<User>, Error> {
    const CONDITION: &str = "and lower(u.email) = lower($1) and u.aud = $2 and not u.is_sso_user
 order by u.created_at limit 1";
    one(session, CONDITION, &[&email, &aud]).await
}

pub(crate) async fn find_by_phone(
    session: &mut Session,
    phone: &str,
    aud: &str,
) -> Result<Option<User>, Error> {
    one(session, "and u.phone = $1 and u.aud = $2 and not u.is_sso_user", &[&phone, &aud]).await
}

/// Whoever holds `email`, by the account itself or by an identity whose provider vouches for it, other than
/// `except`. An address that an identity merely claims is nobody's.
pub(crate) async fn find_holder_of_email(
    session: &mut Session,
    email: &str,
    aud: &str,
    except: Option<Uuid>,
) -> Result<Option<User>, Error> {
    const CONDITION: &str = "and u.aud = $2 and u.id is distinct from $3
   and u.id in (select h.id from auth.users h
                 where (h.instance_id = '00000000-0000-0000-0000-000000000000' or h.instance_id is null)
                   and lower(h.email) = lower($1) and not h.is_sso_user
                 union
                select i.user_id from auth.identities i join auth.users h on h.id = i.user_id
                 where i.email = lower($1) and i.provider not like 'sso:%' and not h.is_sso_user
                   and i.identity_data ->> 'email_verified' = 'true')
 order by u.created_at limit 1";
    one(session, CONDITION, &[&email, &aud, &except]).await
}

/// The account that a mailed token of one of these types belongs to.
pub(crate) async fn find_by_one_time_token(
    session: &mut Session,
    types: &[&str],
    token_hash: &str,
) -> Result<Option<User>, Error> {
    const CONDITION: &str = "and u.id = (select user_id from auth.one_time_tokens
                where token_hash = $1 and token_type::text = any ($2) limit 1)";
    one(session, CONDITION, &[&token_hash, &types]).await
}

/// The account that waits for a code sent to its new number.
pub(crate) async fn find_by_phone_change(
    session: &mut Session,
    phone: &str,
    aud: &str,
) -> Result<Option<User>, Error> {
    const CONDITION: &str = "and u.phone_change = $1 and u.aud = $2 and not u.is_sso_user
 order by u.phone_change_sent_at desc nulls last limit 1";
    one(session, CONDITION, &[&phone, &aud]).await
}

/// The account whose pending change of address one of these hashes confirms.
pub(crate) async fn find_by_email_change(
    session: &mut Session,
    email: &str,
    hashes: &[String],
    aud: &str,
) -> Result<Option<User>, Error> {
    const CONDITION: &str = "and u.aud = $3 and not u.is_sso_user
   and (u.email_change_token_current = any ($2) or u.email_change_token_new = any ($2))
   and u.id in (select user_id from auth.one_time_tokens
                 where relates_to = lower($1)
                   and token_type in ('email_change_token_current', 'email_change_token_new'))
 limit 1";
    one(session, CONDITION, &[&email, &hashes, &aud]).await
}

/// The accounts that wait for a code sent to this address to confirm a change; the newest hundred.
pub(crate) async fn awaiting_email_change(
    session: &mut Session,
    email: &str,
    aud: &str,
) -> Result<Vec<User>, Error> {
    const CONDITION: &str = "and u.aud = $2 and not u.is_sso_user
   and u.id in (select user_id from auth.one_time_tokens
                 where relates_to = lower($1)
                   and token_type in ('email_change_token_current', 'email_change_token_new'))
 order by u.email_change_sent_at desc nulls last limit 100";
    let rows = session.query(&format!("{SELECT}{CONDITION}"), &[&email, &aud]).await?;
    rows.iter().map(user).collect()
}

/// An account to be made.
#[derive(Clone, Copy)]
pub(crate) struct NewUser<'a> {
    pub(crate) id: Uuid,
    pub(crate) aud: &'a str,
    pub(crate) role: &'a str,
    /// Empty for none.
    pub(crate) email: &'a str,
    /// Empty for none.
    pub(crate) phone: &'a str,
    pub(crate) encrypted_password: &'a str,
    pub(crate) app_metadata: &'a Object,
    pub(crate) user_metadata: &'a Object,
    pub(crate) is_anonymous: bool,
    /// Whether the account is an organisation's, who may have others with the same address.
    pub(crate) is_sso_user: bool,
}

/// One statement with everything in it: applications have triggers on this table that read the row.
pub(crate) async fn insert(
    session: &mut Session,
    new: &NewUser<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.users
  (instance_id, id, aud, role, email, phone, encrypted_password, raw_app_meta_data, raw_user_meta_data,
   is_anonymous, created_at, updated_at, confirmation_token, recovery_token, email_change,
   email_change_token_new, email_change_token_current, phone_change, phone_change_token,
   reauthentication_token, is_sso_user)
values
  ('00000000-0000-0000-0000-000000000000', $1, $2, $3, nullif($4::text, ''), nullif($5::text, ''), $6, $7, $8,
   $9, $10, $10, '', '', '', '', '', '', '', '', $11)";
    session
        .execute(
            INSERT,
            &[
                &new.id,
                &new.aud,
                &new.role,
                &new.email,
                &new.phone,
                &new.encrypted_password,
                &Value::Object(new.app_metadata.clone()),
                &Value::Object(new.user_metadata.clone()),
                &new.is_anonymous,
                &now,
                &new.is_sso_user,
            ],
        )
        .await?;
    Ok(())
}

/// Sets the password and forgets every pending token: whoever asked for them may not have known
/// the new one.
pub(crate) async fn update_password(
    session: &mut Session,
    id: Uuid,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set encrypted_password = $2, updated_at = $3,
       confirmation_token = '', confirmation_sent_at = null, recovery_token = '', recovery_sent_at = null,
       email_change_token_current = '', email_change_token_new = '', email_change_sent_at = null,
       phone_change_token = '', phone_change_sent_at = null,
       reauthentication_token = '', reauthentication_sent_at = null
 where id = $1";
    session.execute(UPDATE, &[&id, &hash, &now]).await.map(drop)
}

/// The same hash in another form: nothing of the account changes.
pub(crate) async fn replace_hash(session: &mut Session, id: Uuid, hash: &str) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set encrypted_password = $2 where id = $1";
    session.execute(UPDATE, &[&id, &hash]).await.map(drop)
}

pub(crate) async fn update_role(
    session: &mut Session,
    id: Uuid,
    role: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set role = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &role, &now]).await.map(drop)
}

pub(crate) async fn update_ban(
    session: &mut Session,
    id: Uuid,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set banned_until = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &until, &now]).await.map(drop)
}

pub(crate) async fn clear_anonymous(
    session: &mut Session,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str =
        "update auth.users set is_anonymous = false, updated_at = $2 where id = $1 and is_anonymous";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn update_last_sign_in(
    session: &mut Session,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set last_sign_in_at = $2, updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}
