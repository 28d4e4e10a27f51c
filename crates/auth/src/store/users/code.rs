//! Codes that were sent to accounts, as their hashes: kept, used up, made void.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

pub(crate) async fn set_confirmation(
    session: &mut Session,
    id: Uuid,
    token_hash: &str,
    invited: bool,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set confirmation_token = $2, confirmation_sent_at = $4, updated_at = $4,
       invited_at = case when $3 then $4 else invited_at end
 where id = $1";
    session.execute(UPDATE, &[&id, &token_hash, &invited, &now]).await.map(drop)
}

pub(crate) async fn set_recovery(
    session: &mut Session,
    id: Uuid,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str =
        "update auth.users set recovery_token = $2, recovery_sent_at = $3, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &token_hash, &now]).await.map(drop)
}

pub(crate) async fn clear_recovery(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set recovery_token = '', updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

pub(crate) async fn set_reauthentication(
    session: &mut Session,
    id: Uuid,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set reauthentication_token = $2, reauthentication_sent_at = $3, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &token_hash, &now]).await.map(drop)
}

pub(crate) async fn clear_reauthentication(
    session: &mut Session,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.users set reauthentication_token = '', updated_at = $2 where id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}

/// Makes the code with this hash void. Its link, which is found among the one-time tokens, is not.
pub(crate) async fn void_code(
    session: &mut Session,
    id: Uuid,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set confirmation_token = case confirmation_token when $2 then '' else confirmation_token end,
       recovery_token = case recovery_token when $2 then '' else recovery_token end,
       email_change_token_current =
         case email_change_token_current when $2 then '' else email_change_token_current end,
       email_change_token_new = case email_change_token_new when $2 then '' else email_change_token_new end,
       phone_change_token = case phone_change_token when $2 then '' else phone_change_token end,
       reauthentication_token = case reauthentication_token when $2 then '' else reauthentication_token end,
       updated_at = $3
 where id = $1";
    session.execute(UPDATE, &[&id, &hash, &now]).await.map(drop)
}
