//! `auth.one_time_tokens`: what mailed links carry, and that a code is pending at all. Upstream puts the
//! hash of the code here too; the account has it beside.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// The new token of this type; one replaces the other.
pub(crate) async fn put(
    session: &mut Session,
    user_id: Uuid,
    token_type: &str,
    token_hash: &str,
    relates_to: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const PUT: &str = "\
insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
values ($1, $2, $3::text::auth.one_time_token_type, $4, lower($5), $6, $6)
on conflict (user_id, token_type) do update
   set id = excluded.id, token_hash = excluded.token_hash, relates_to = excluded.relates_to,
       created_at = excluded.created_at, updated_at = excluded.updated_at";
    session
        .execute(PUT, &[&Uuid::new_v4(), &user_id, &token_type, &token_hash, &relates_to, &now.naive_utc()])
        .await
        .map(drop)
}

/// Uses up the token of a link. Of several who try at once, one has it: the others find nothing.
pub(crate) async fn claim(
    session: &mut Session,
    types: &[&str],
    token_hash: &str,
) -> Result<Option<(Uuid, String)>, Error> {
    const CLAIM: &str = "\
delete from auth.one_time_tokens
 where id = (select id from auth.one_time_tokens
              where token_hash = $1 and token_type::text = any ($2) limit 1)
returning user_id, token_type::text as token_type";
    let row = session.query_opt(CLAIM, &[&token_hash, &types]).await?;
    row.map(|row| Ok((row.try_get("user_id")?, row.try_get("token_type")?))).transpose()
}

/// Deletes the account's token of this type; true if there was one. Of several who try at once,
/// one hears true.
pub(crate) async fn delete(session: &mut Session, user_id: Uuid, token_type: &str) -> Result<bool, Error> {
    const DELETE: &str = "\
delete from auth.one_time_tokens where user_id = $1 and token_type = $2::text::auth.one_time_token_type";
    Ok(session.execute(DELETE, &[&user_id, &token_type]).await? > 0)
}

pub(crate) async fn delete_all(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.one_time_tokens where user_id = $1", &[&user_id]).await.map(drop)
}
