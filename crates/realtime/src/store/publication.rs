//! Publications: the one through which messages are heard of, and that of row changes.

use db::{Error, Session, ident};

use crate::wal::stream::MESSAGES;

/// Whether it holds our messages and nothing else.
const IS_SOUND: &str = "
    select count(*) = 1 and coalesce(bool_and(r.prrelid = 'realtime.messages'::regclass), false)
      from pg_catalog.pg_publication p
      join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
     where p.pubname = $1 and not p.puballtables";

/// Makes it, if it is not there or holds something else. Only who may create publications can.
pub(crate) async fn ensure(session: &mut Session) -> Result<(), Error> {
    let is_sound: bool = session.query_one(IS_SOUND, &[&MESSAGES]).await?.get(0);
    if is_sound {
        return Ok(());
    }
    let name = ident(MESSAGES);
    session
        .batch(&format!(
            "drop publication if exists {name};
             create publication {name} for table realtime.messages with (publish = 'insert')"
        ))
        .await
}

const EXISTING: &str =
    "select pubname::text from pg_catalog.pg_publication where pubname = any ($1) order by 1";

/// Those of these publications that exist.
pub(crate) async fn existing(session: &mut Session, names: &[&str]) -> Result<Vec<String>, Error> {
    let rows = session.query(EXISTING, &[&names]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
