//! Rows of `realtime.basalt_relay`: batches that instances write for each other, numbered by each of them.

use bytes::Bytes;
use db::{Error, Session};

/// The channel on which instances hear that there is something to read: its number, and who wrote it.
pub(crate) const CHANNEL: &str = "basalt_relay";

const INSERT: &str = "
    with sent as (insert into realtime.basalt_relay (sender, number, body) values ($1, $2, $3))
    select pg_catalog.pg_notify($4, $5)";

const LIST: &str = "
    select r.number, r.body
      from realtime.basalt_relay r
     where r.sender = $1 and r.number > $2
     order by r.number
     limit $3";

const DELETE: &str = "delete from realtime.basalt_relay where sender = $1 and number <= $2";

const SWEEP: &str = "delete from realtime.basalt_relay where sent_at < now() - interval '1 hour'";

/// Writes a batch and tells that it is there.
pub(crate) async fn insert(
    session: &mut Session,
    sender: i64,
    number: i64,
    body: &[u8],
) -> Result<(), Error> {
    let hint = format!("{sender} {number}");
    session.query(INSERT, &[&sender, &number, &body, &CHANNEL, &hint]).await.map(drop)
}

/// What a sender wrote after `number`, in its order; at most `limit` batches.
pub(crate) async fn list(
    session: &mut Session,
    sender: i64,
    number: i64,
    limit: i64,
) -> Result<Vec<(i64, Bytes)>, Error> {
    let rows = session.query(LIST, &[&sender, &number, &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Bytes::from(row.get::<_, Vec<u8>>(1)))).collect())
}

/// Removes what a sender wrote up to `number`.
pub(crate) async fn delete(session: &mut Session, sender: i64, number: i64) -> Result<(), Error> {
    session.execute(DELETE, &[&sender, &number]).await.map(drop)
}

/// Removes what senders left that are no more.
pub(crate) async fn sweep(session: &mut Session) -> Result<(), Error> {
    session.batch(SWEEP).await
}
