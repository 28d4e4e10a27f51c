//! `auth.basalt_lockouts`: wrong passwords, and places where the right one came from. Ours.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockoutRow {
    pub(crate) key: String,
    pub(crate) failures: i32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) proved_at: Option<DateTime<Utc>>,
}

fn lockout(row: &Row) -> Result<LockoutRow, Error> {
    Ok(LockoutRow {
        key: row.try_get("key")?,
        failures: row.try_get("failures")?,
        at: row.try_get("at")?,
        until: row.try_get("until")?,
        proved_at: row.try_get("proved_at")?,
    })
}

/// What is known of these keys; nothing of those without a row.
pub(crate) async fn find(session: &mut Session, keys: &[&str]) -> Result<Vec<LockoutRow>, Error> {
    const FIND: &str = "\
select key, failures, at, until, proved_at from auth.basalt_lockouts where key = any ($1)";
    session.query(FIND, &[&keys]).await?.iter().map(lockout).collect()
}

/// The rows of these keys, made where there are none, for this transaction alone: always in the same order, so
/// that nobody waits for each other.
pub(crate) async fn lock(
    session: &mut Session,
    keys: &[&str],
    now: DateTime<Utc>,
) -> Result<Vec<LockoutRow>, Error> {
    const LOCK: &str = "\
insert into auth.basalt_lockouts as l (key, failures, at)
select key, 0, $2 from unnest($1::text[]) k (key) order by key
on conflict (key) do update set at = l.at
returning key, failures, at, until, proved_at";
    session.query(LOCK, &[&keys, &now]).await?.iter().map(lockout).collect()
}

/// Remembers so many wrong passwords, the last one now.
pub(crate) async fn update(
    session: &mut Session,
    key: &str,
    failures: i32,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.basalt_lockouts set failures = $2, until = $3, at = $4 where key = $1";
    session.execute(UPDATE, &[&key, &failures, &until, &now]).await.map(drop)
}

/// Forgets the wrong passwords of `keys`; from where `place` says, the right one came now.
pub(crate) async fn clear(
    session: &mut Session,
    keys: &[&str],
    place: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const CLEAR: &str = "\
update auth.basalt_lockouts
   set failures = 0, until = null, at = $3, proved_at = case when key = $2 then $3 else proved_at end
 where key = any ($1)";
    session.execute(CLEAR, &[&keys, &place, &now]).await.map(drop)
}
