//! The replication slot of the stream.

use db::{Error, Session};

/// Postgres is about to give it up, or half of what it would keep is used.
const IS_IN_DANGER: &str = "
    select coalesce(bool_or(
             s.wal_status in ('unreserved', 'lost')
             or k.bytes > 0 and pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) > k.bytes / 2),
             false)
      from pg_catalog.pg_replication_slots s
     cross join (select pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')) as bytes) k
     where s.slot_name = $1";

/// Whether the slot keeps so much that it will soon be lost.
pub(crate) async fn is_in_danger(session: &mut Session, name: &str) -> Result<bool, Error> {
    Ok(session.query_one(IS_IN_DANGER, &[&name]).await?.try_get(0)?)
}
