//! `auth.basalt_session_ends`: when sessions have to end that are not open yet.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// The session that this sign-in opens has to end at `not_after`.
pub(crate) async fn insert(
    session: &mut Session,
    flow_state_id: Uuid,
    not_after: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "insert into auth.basalt_session_ends (flow_state_id, not_after) values ($1, $2)";
    session.execute(INSERT, &[&flow_state_id, &not_after]).await.map(drop)
}

/// When the session that this sign-in opens has to end, if anything was said of that.
pub(crate) async fn find(session: &mut Session, flow_state_id: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    const SELECT: &str = "select not_after from auth.basalt_session_ends where flow_state_id = $1";
    let row = session.query_opt(SELECT, &[&flow_state_id]).await?;
    row.map(|row| Ok(row.try_get("not_after")?)).transpose()
}
