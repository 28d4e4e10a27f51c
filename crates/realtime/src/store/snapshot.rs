//! Which transactions everybody can see by now.

use db::{Error, Session};

const CURRENT: &str = "select pg_catalog.pg_current_snapshot()::text";

/// The snapshot of this moment, as Postgres prints it.
pub(crate) async fn current(session: &mut Session) -> Result<String, Error> {
    Ok(session.query_one(CURRENT, &[]).await?.try_get(0)?)
}
