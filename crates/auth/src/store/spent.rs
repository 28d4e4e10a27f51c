//! `auth.basalt_spent`: what counts once and was used.

use chrono::{DateTime, Utc};
use db::{Error, Session};

/// Uses up a proof that is good until `expires_at`; false if it was used before. Of two at once the
/// second waits until the first is done.
pub(crate) async fn insert(
    session: &mut Session,
    kind: &str,
    hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<bool, Error> {
    const INSERT: &str = "\
insert into auth.basalt_spent (kind, hash, expires_at) values ($1, $2, $3) on conflict do nothing";
    Ok(session.execute(INSERT, &[&kind, &hash, &expires_at]).await? == 1)
}
