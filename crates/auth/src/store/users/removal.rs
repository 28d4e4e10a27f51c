//! The end of accounts, and of what somebody else may hold of one.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

use crate::user::Object;

/// What a deleted account keeps: nothing that says whose it was.
pub(crate) struct Remains<'a> {
    pub(crate) email: &'a str,
    pub(crate) phone: &'a str,
    pub(crate) email_change: &'a str,
    pub(crate) phone_change: &'a str,
}

pub(crate) async fn soft_delete(
    session: &mut Session,
    id: Uuid,
    remains: &Remains<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set email = $2, phone = $3, email_change = $4, phone_change = $5, encrypted_password = null,
       confirmation_token = '', recovery_token = '', email_change_token_current = '',
       email_change_token_new = '', phone_change_token = '', reauthentication_token = '',
       raw_user_meta_data = '{}', raw_app_meta_data = '{}', deleted_at = $6, updated_at = $6
 where id = $1";
    let Remains { email, phone, email_change, phone_change } = remains;
    session.execute(UPDATE, &[&id, email, phone, email_change, phone_change, &now]).await.map(drop)
}

/// Deletes the account. What applications check at the end of the transaction is checked now: after
/// this nothing of theirs stands in the way.
pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.users where id = $1", &[&id]).await?;
    session.batch("set constraints all immediate").await
}

/// Takes password, number, claims about the user and every pending change from an account that nobody
/// confirmed.
pub(crate) async fn disown(
    session: &mut Session,
    id: Uuid,
    user_metadata: &Object,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set encrypted_password = null, raw_user_meta_data = $2, phone = null, phone_confirmed_at = null,
       recovery_token = '', email_change = '', email_change_token_current = '', email_change_token_new = '',
       email_change_confirm_status = 0, phone_change = '', phone_change_token = '', reauthentication_token = '',
       updated_at = $3
 where id = $1";
    session.execute(UPDATE, &[&id, &Value::Object(user_metadata.clone()), &now]).await.map(drop)
}
