//! Addresses and numbers of accounts: given, changed, confirmed.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

pub(crate) async fn confirm_email(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set confirmation_token = '', email_confirmed_at = $2, updated_at = $2,
       raw_user_meta_data = coalesce(nullif(raw_user_meta_data, 'null'), '{}') || '{\"email_verified\": true}'
 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn confirm_phone(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users set confirmation_token = '', phone_confirmed_at = $2, updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn update_email(
    session: &mut Session,
    id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set email = nullif($2::text, ''), updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &email, &now]).await.map(drop)
}

pub(crate) async fn update_phone(
    session: &mut Session,
    id: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set phone = nullif($2::text, ''), updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &phone, &now]).await.map(drop)
}

/// A pending change of address, with the hashes that confirm it; empty for none.
pub(crate) async fn set_email_change(
    session: &mut Session,
    id: Uuid,
    email: &str,
    (current, new): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set email_change = $2, email_change_token_current = $3, email_change_token_new = $4,
       email_change_sent_at = $5, email_change_confirm_status = 0, updated_at = $5
 where id = $1";
    session.execute(UPDATE, &[&id, &email, &current, &new, &now]).await.map(drop)
}

/// The first of two confirmations of a change of address.
pub(crate) async fn half_confirm_email_change(
    session: &mut Session,
    id: Uuid,
    by_current: bool,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set email_change_confirm_status = 1, updated_at = $3,
       email_change_token_current = case when $2 then '' else email_change_token_current end,
       email_change_token_new = case when $2 then email_change_token_new else '' end
 where id = $1";
    session.execute(UPDATE, &[&id, &by_current, &now]).await.map(drop)
}

pub(crate) async fn confirm_email_change(
    session: &mut Session,
    id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set email = nullif($2::text, ''), email_change = '', email_change_token_current = '',
       email_change_token_new = '', email_change_confirm_status = 0, updated_at = $3
 where id = $1";
    session.execute(UPDATE, &[&id, &email, &now]).await.map(drop)
}

pub(crate) async fn set_phone_change(
    session: &mut Session,
    id: Uuid,
    phone: &str,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set phone_change = $2, phone_change_token = $3, phone_change_sent_at = $4, updated_at = $4
 where id = $1";
    session.execute(UPDATE, &[&id, &phone, &token_hash, &now]).await.map(drop)
}

pub(crate) async fn confirm_phone_change(
    session: &mut Session,
    id: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set phone = nullif($2::text, ''), phone_change = '', phone_change_token = '', phone_confirmed_at = $3,
       updated_at = $3
 where id = $1";
    session.execute(UPDATE, &[&id, &phone, &now]).await.map(drop)
}

pub(crate) async fn clear_phone(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str =
        "update auth.users set phone = null, phone_confirmed_at = null, updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

/// Gives the account another of its identities' addresses and forgets every pending change: what
/// was asked for under the old address is not to be trusted.
pub(crate) async fn replace_email(
    session: &mut Session,
    id: Uuid,
    email: &str,
    confirmed: bool,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set email = nullif($2::text, ''), updated_at = $4,
       email_confirmed_at = case when $3 then email_confirmed_at end,
       raw_user_meta_data = case when $3 then raw_user_meta_data
         else coalesce(nullif(raw_user_meta_data, 'null'), '{}') || '{\"email_verified\": false}' end,
       confirmation_token = '', confirmation_sent_at = null, recovery_token = '', recovery_sent_at = null,
       email_change = '', email_change_token_current = '', email_change_token_new = '',
       email_change_sent_at = null, email_change_confirm_status = 0,
       phone_change = '', phone_change_token = '', phone_change_sent_at = null,
       reauthentication_token = '', reauthentication_sent_at = null
 where id = $1";
    session.execute(UPDATE, &[&id, &email, &confirmed, &now]).await.map(drop)
}
