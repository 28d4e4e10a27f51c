//! The vault: what the source opens for us is sealed here with our own key, under the same id and name.

use anyhow::Context;
use db::{Pool, Session};
use kernel::Secret;
use serde::Serialize;
use vault::admin::{self, Moved};

/// How the vault stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    pub(crate) there: usize,
    /// Sealed in this run.
    pub(crate) sealed: usize,
    /// Every secret opens here to what it opens to there.
    pub(crate) equal: bool,
}

/// Brings them, on a connection that `pool` has to spare.
pub(super) async fn bring(
    source: &mut Session,
    pool: &Pool,
    notes: &mut Vec<String>,
) -> anyhow::Result<Compared> {
    const THERE: &str = "select from pg_catalog.pg_class where oid = to_regclass('vault.decrypted_secrets')";
    if source.query_opt(THERE, &[]).await?.is_none() {
        return Ok(Compared { equal: true, ..Compared::default() });
    }
    const SQL: &str = "
        select id::text, name, coalesce(description, ''), decrypted_secret, created_at::text, updated_at::text
          from vault.decrypted_secrets order by id";
    // A source that cannot open its vault, or will not for this role, keeps its secrets; the rest may come all the same.
    source.batch("savepoint vault").await?;
    let rows = match source.query(SQL, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.server().is_some() => {
            source.batch("rollback to savepoint vault").await?;
            notes.push(format!(
                "the source does not open its vault (--without-secrets goes on without): {error}"
            ));
            return Ok(Compared::default());
        }
        Err(error) => return Err(error.into()),
    };
    let mut secrets = Vec::new();
    for row in &rows {
        secrets.push(Moved {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            description: row.try_get(2)?,
            content: Secret::new(row.try_get::<_, Option<String>>(3)?.unwrap_or_default()),
            created_at: row.try_get(4)?,
            updated_at: row.try_get(5)?,
        });
    }
    let sealed = admin::take_in(pool, &secrets).await.context("the vault")?;
    let equal = admin::holds(pool, &secrets).await.context("the vault")?;
    Ok(Compared { there: secrets.len(), sealed, equal })
}
