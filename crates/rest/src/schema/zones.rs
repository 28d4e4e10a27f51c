//! The names of time zones that Postgres knows, for those who ask before they set one.

use std::collections::HashSet;

use db::Pool;
use tokio::sync::OnceCell;

/// Read when somebody first asks: `pg_timezone_names` reads a file per zone.
#[derive(Debug, Default)]
pub struct Zones(OnceCell<HashSet<String>>);

impl Zones {
    /// True if `name` is the name of a zone, in exactly this spelling.
    ///
    /// # Errors
    ///
    /// What Postgres or the driver said; the next one who asks tries again.
    pub async fn contain(&self, pool: &Pool, name: &str) -> Result<bool, db::Error> {
        let names = self.0.get_or_try_init(|| load(pool)).await?;
        Ok(names.contains(name))
    }
}

async fn load(pool: &Pool) -> Result<HashSet<String>, db::Error> {
    let mut session = pool.begin().await?;
    let rows = session.query("select name from pg_catalog.pg_timezone_names", &[]).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    session.rollback().await?;
    Ok(names)
}
