//! `auth.basalt_recovery_codes`: codes that stand in for a second factor, by their hashes. Ours.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// How many codes the account has left, and when they were made.
pub(crate) async fn count(
    session: &mut Session,
    user_id: Uuid,
) -> Result<(i64, Option<DateTime<Utc>>), Error> {
    const COUNT: &str = "\
select count(*) as number, max(created_at) as created_at from auth.basalt_recovery_codes where user_id = $1";
    let row = session.query_one(COUNT, &[&user_id]).await?;
    Ok((row.try_get("number")?, row.try_get("created_at")?))
}

pub(crate) async fn insert(
    session: &mut Session,
    user_id: Uuid,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.basalt_recovery_codes (user_id, hash, created_at) select $1, unnest($2::bytea[]), $3";
    session.execute(INSERT, &[&user_id, &hashes, &now]).await.map(drop)
}

/// Uses the code up; false if the account has none of this hash.
pub(crate) async fn take(session: &mut Session, user_id: Uuid, hash: &[u8]) -> Result<bool, Error> {
    const DELETE: &str = "delete from auth.basalt_recovery_codes where user_id = $1 and hash = $2";
    Ok(session.execute(DELETE, &[&user_id, &hash]).await? > 0)
}

pub(crate) async fn delete_all(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.basalt_recovery_codes where user_id = $1", &[&user_id]).await.map(drop)
}
