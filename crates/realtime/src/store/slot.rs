//! The replication slot of the stream, as the catalogue knows it.

use db::{Error, Lsn, Session};

/// A slot that exists.
pub(crate) struct Slot {
    /// It goes with its connection.
    pub(crate) is_temporary: bool,
    /// Somebody reads it.
    pub(crate) is_active: bool,
    /// It is one of this database, for what we speak.
    pub(crate) is_usable: bool,
    /// Postgres has given up what it kept.
    pub(crate) is_lost: bool,
    /// What was committed behind this will come.
    pub(crate) confirmed: Lsn,
}

impl Slot {
    /// Whether a stream may go on with it.
    pub(crate) fn is_good(&self) -> bool {
        self.is_usable && !self.is_lost && !self.is_temporary
    }
}

const FIND: &str = "
    select s.temporary, s.active, s.plugin = 'pgoutput' and s.database = pg_catalog.current_database(),
           coalesce(s.wal_status = 'lost', false), coalesce(s.confirmed_flush_lsn, '0/0')::text
      from pg_catalog.pg_replication_slots s
     where s.slot_name = $1";

const DROP: &str = "select pg_catalog.pg_drop_replication_slot($1)";

const END_OF_LOG: &str = "select pg_catalog.pg_current_wal_flush_lsn()::text";

/// Places in the log mean something on one timeline of one server.
const HISTORY: &str = "
    select pg_catalog.hashtext(pg_catalog.format('%s %s %s', s.system_identifier, c.timeline_id, d.oid))
      from pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_database d
     where d.datname = pg_catalog.current_database()";

const DATABASE: &str =
    "select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";

const BOUND: &str = "select pg_catalog.current_setting('max_slot_wal_keep_size') <> '-1'";

/// `unreserved` and `lost`: Postgres is about to give it up, or has.
const HEALTH: &str = "
    select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::bigint,
           pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')),
           s.wal_status in ('unreserved', 'lost')
      from pg_catalog.pg_replication_slots s
     where s.slot_name = $1";

/// What a slot makes the server keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Bytes of the log that are kept for it.
    pub(crate) lag: i64,
    /// Bytes that may be kept; no bound if it is not positive.
    pub(crate) bound: i64,
    /// Postgres is about to give it up.
    pub(crate) is_doomed: bool,
}

impl Health {
    /// Postgres is about to give it up, or half of what it would keep is used.
    pub(crate) fn is_in_danger(self) -> bool {
        self.is_doomed || self.bound > 0 && self.lag > self.bound / 2
    }
}

/// The slot with this name.
pub(crate) async fn find(session: &mut Session, name: &str) -> Result<Option<Slot>, Error> {
    let Some(row) = session.query_opt(FIND, &[&name]).await? else { return Ok(None) };
    Ok(Some(Slot {
        is_temporary: row.try_get(0)?,
        is_active: row.try_get(1)?,
        is_usable: row.try_get(2)?,
        is_lost: row.try_get(3)?,
        confirmed: lsn(row.try_get(4)?)?,
    }))
}

/// Removes a slot that nobody reads.
pub(crate) async fn drop(session: &mut Session, name: &str) -> Result<(), Error> {
    session.query(DROP, &[&name]).await.map(std::mem::drop)
}

/// Where the log ends, as far as it is on the disk.
pub(crate) async fn end_of_log(session: &mut Session) -> Result<Lsn, Error> {
    lsn(session.query_one(END_OF_LOG, &[]).await?.try_get(0)?)
}

/// Which history of which database this is.
pub(crate) async fn history(session: &mut Session) -> Result<u32, Error> {
    Ok(session.query_one(HISTORY, &[]).await?.try_get::<_, i32>(0)?.cast_unsigned())
}

/// The number of this database: names of slots are those of the whole server.
pub(crate) async fn database(session: &mut Session) -> Result<u32, Error> {
    Ok(session.query_one(DATABASE, &[]).await?.try_get(0)?)
}

/// Whether what a slot keeps has a bound.
pub(crate) async fn is_bounded(session: &mut Session) -> Result<bool, Error> {
    Ok(session.query_one(BOUND, &[]).await?.try_get(0)?)
}

/// How a slot is; none if it is gone.
pub(crate) async fn health(session: &mut Session, name: &str) -> Result<Option<Health>, Error> {
    let Some(row) = session.query_opt(HEALTH, &[&name]).await? else { return Ok(None) };
    let (lag, is_doomed): (Option<i64>, Option<bool>) = (row.try_get(0)?, row.try_get(2)?);
    Ok(Some(Health {
        lag: lag.unwrap_or_default(),
        bound: row.try_get(1)?,
        is_doomed: is_doomed.unwrap_or_default(),
    }))
}

fn lsn(text: &str) -> Result<Lsn, Error> {
    text.parse().map_err(|_| Error::Client("a place in the log cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_bound_is_danger() {
        let health = |lag, bound, is_doomed| Health { lag, bound, is_doomed }.is_in_danger();
        assert!(!health(50, 100, false) && health(51, 100, false) && health(0, 100, true));
        assert!(!health(i64::MAX, -1, false) && health(1, -1, true));
    }
}
