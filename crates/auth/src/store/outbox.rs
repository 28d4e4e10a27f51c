//! `auth.basalt_outbox`: mails and messages on their way.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

/// A row that is ours to send for a while.
pub(crate) struct Waiting {
    pub(crate) id: Uuid,
    /// How many times it was tried, this one included.
    pub(crate) attempts: i32,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) message: Value,
}

/// Adds a message; false if as many as `most` wait already.
pub(crate) async fn insert(
    session: &mut Session,
    id: Uuid,
    message: &Value,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    most: i64,
) -> Result<bool, Error> {
    const INSERT: &str = "\
insert into auth.basalt_outbox (id, created_at, expires_at, next_attempt_at, message)
select $1, $2, $3, $2, $4
 where (select count(*) from (select from auth.basalt_outbox limit $5) waiting) < $5";
    Ok(session.execute(INSERT, &[&id, &now, &expires_at, message, &most]).await? > 0)
}

/// Takes up to `count` messages that are due. Nobody else takes them until `lease`.
pub(crate) async fn claim(
    session: &mut Session,
    now: DateTime<Utc>,
    lease: DateTime<Utc>,
    count: i64,
) -> Result<Vec<Waiting>, Error> {
    const CLAIM: &str = "\
update auth.basalt_outbox
   set attempts = attempts + 1, next_attempt_at = $2
 where id in (select id from auth.basalt_outbox
               where next_attempt_at <= $1
               order by next_attempt_at
               limit $3
                 for update skip locked)
returning id, attempts, expires_at, message";
    let rows = session.query(CLAIM, &[&now, &lease, &count]).await?;
    let waiting = |row: &db::Row| {
        Ok(Waiting {
            id: row.try_get("id")?,
            attempts: row.try_get("attempts")?,
            expires_at: row.try_get("expires_at")?,
            message: row.try_get("message")?,
        })
    };
    rows.iter().map(waiting).collect()
}

/// Tries a message again later.
pub(crate) async fn postpone(session: &mut Session, id: Uuid, until: DateTime<Utc>) -> Result<(), Error> {
    const POSTPONE: &str = "update auth.basalt_outbox set next_attempt_at = $2 where id = $1";
    session.execute(POSTPONE, &[&id, &until]).await.map(drop)
}

/// Forgets a message with its code.
pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.basalt_outbox where id = $1", &[&id]).await.map(drop)
}

/// When the next message is due.
pub(crate) async fn next_due(session: &mut Session) -> Result<Option<DateTime<Utc>>, Error> {
    const NEXT: &str = "select min(next_attempt_at) from auth.basalt_outbox";
    Ok(session.query_one(NEXT, &[]).await?.try_get(0)?)
}
