//! What is known of time zones: the names that Postgres knows, for those who ask before they set
//! one, and whether sessions are in UTC unless somebody wishes otherwise.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use db::Pool;
use tokio::sync::OnceCell;

/// Of one database.
#[derive(Debug, Default)]
pub struct Zones {
    /// Read when somebody first asks: `pg_timezone_names` reads a file per zone.
    names: OnceCell<HashSet<String>>,
    /// A session was seen in another zone than UTC.
    is_elsewhere: AtomicBool,
}

impl Zones {
    /// True if `name` is the name of a zone, in exactly this spelling.
    ///
    /// # Errors
    ///
    /// What Postgres or the driver said; the next one who asks tries again.
    pub async fn contain(&self, pool: &Pool, name: &str) -> Result<bool, db::Error> {
        let names = self.names.get_or_try_init(|| load(pool)).await?;
        Ok(names.contains(name))
    }

    /// True until a session was seen in another zone.
    pub fn may_be_utc(&self) -> bool {
        !self.is_elsewhere.load(Ordering::Relaxed)
    }

    /// Takes note of the zone of a session; true if it is UTC.
    pub fn note(&self, zone: &str) -> bool {
        let is_utc = matches!(zone, "UTC" | "Etc/UTC" | "GMT");
        if !is_utc {
            self.is_elsewhere.store(true, Ordering::Relaxed);
        }
        is_utc
    }
}

async fn load(pool: &Pool) -> Result<HashSet<String>, db::Error> {
    let mut session = pool.begin().await?;
    let rows = session.query("select name from pg_catalog.pg_timezone_names", &[]).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    session.rollback().await?;
    Ok(names)
}
