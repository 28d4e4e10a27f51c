//! Runs files of a project.

use anyhow::{Context, anyhow};
use db::Session;
use kernel::units::Bytes;
use serde_json::Value;

use super::folder::{Migration, Seed};
use super::history;
use super::split::statements;

/// The statement cannot be part of a transaction.
const NEEDS_NO_TRANSACTION: &str = "25001";

/// What became of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeded {
    /// It ran.
    Ran,
    /// It has run before.
    Known,
    /// It has run before with another content; that is noted, and it does not run again.
    Changed,
}

/// Applies a migration and records it: both or neither. A statement that no transaction may hold
/// (`create index concurrently`) is possible if it is the only one of its file.
///
/// # Errors
///
/// The statement that failed, and why.
pub(crate) async fn migration(session: &mut Session, migration: &Migration) -> anyhow::Result<()> {
    let text = migration.text()?;
    let statements = statements(&text);
    let file = migration.path.file_name().unwrap_or_default().to_string_lossy();
    begun(session, &statements, &file).await?;
    history::record(session, &migration.version, &migration.name, &statements).await?;
    Ok(session.batch("commit").await?)
}

/// As [`migration`], without a history.
///
/// # Errors
///
/// The statement that failed, and why.
pub(crate) async fn alone(session: &mut Session, statements: &[&str], file: &str) -> anyhow::Result<()> {
    begun(session, statements, file).await?;
    Ok(session.batch("commit").await?)
}

/// Runs statements in a transaction that is left open.
async fn begun(session: &mut Session, statements: &[&str], file: &str) -> anyhow::Result<()> {
    session.batch("reset all; begin").await?;
    let mut result = all(session, statements, file).await;
    if let ([only], Err(failed)) = (statements, &result)
        && failed.code.as_deref() == Some(NEEDS_NO_TRANSACTION)
    {
        session.batch("rollback").await?;
        result = all(session, &[only], file).await;
        session.batch("begin").await?;
    }
    if let Err(failed) = result {
        // The error to tell is the first one.
        let _ = session.batch("rollback").await;
        return Err(anyhow!(failed.text));
    }
    Ok(())
}

/// Records a migration without applying it.
///
/// # Errors
///
/// A file that cannot be read; what Postgres said.
pub(crate) async fn record(session: &mut Session, migration: &Migration) -> anyhow::Result<()> {
    let text = migration.text()?;
    Ok(history::record(session, &migration.version, &migration.name, &statements(&text)).await?)
}

/// The migrations that were applied and have had other content since.
///
/// # Errors
///
/// A file that cannot be read; what Postgres said.
pub(crate) async fn changed<'a>(
    session: &mut Session,
    local: &'a [Migration],
) -> anyhow::Result<Vec<&'a Migration>> {
    let mut changed = Vec::new();
    for (version, applied) in history::statements(session).await? {
        let Some(applied) = applied else { continue };
        if let Some(migration) = local.iter().find(|migration| migration.version == version)
            && statements(&migration.text()?) != applied
        {
            changed.push(migration);
        }
    }
    Ok(changed)
}

/// Makes or changes the buckets that the settings name.
///
/// # Errors
///
/// A limit that is none; what Postgres said.
pub(crate) async fn bucket(session: &mut Session, name: &str, bucket: &Value) -> anyhow::Result<()> {
    const SQL: &str = "
        insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values ($1, $1, $2, $3, $4)
        on conflict (id) do update
        set public = excluded.public, file_size_limit = excluded.file_size_limit,
            allowed_mime_types = excluded.allowed_mime_types";
    let public = bucket.get("public").and_then(Value::as_bool).unwrap_or(false);
    let limit = bucket.get("file_size_limit").and_then(Value::as_str).filter(|text| !text.is_empty());
    let limit =
        limit.map(str::parse::<Bytes>).transpose().with_context(|| format!("storage.buckets.{name}"))?;
    let limit = limit.and_then(|limit| i64::try_from(limit.0).ok());
    let kinds = bucket.get("allowed_mime_types").and_then(Value::as_array);
    let kinds: Option<Vec<&str>> =
        kinds.filter(|kinds| !kinds.is_empty()).map(|kinds| kinds.iter().filter_map(Value::as_str).collect());
    session.execute(SQL, &[&name, &public, &limit, &kinds]).await?;
    Ok(())
}

/// Runs a seed, once.
///
/// # Errors
///
/// The statement that failed, and why; then nothing of the seed is left.
pub(crate) async fn seed(session: &mut Session, seed: &Seed) -> anyhow::Result<Seeded> {
    let known = history::seed_hash(session, &seed.path).await?;
    if known.as_ref() == Some(&seed.hash) {
        return Ok(Seeded::Known);
    }
    session.batch("reset all; begin").await?;
    if known.is_none()
        && let Err(failed) = all(session, &statements(&seed.text), &seed.path).await
    {
        // The error to tell is the first one.
        let _ = session.batch("rollback").await;
        return Err(anyhow!(failed.text));
    }
    history::record_seed(session, &seed.path, &seed.hash).await?;
    session.batch("commit").await?;
    Ok(if known.is_none() { Seeded::Ran } else { Seeded::Changed })
}

/// Takes away everything that is not the platform's, history included.
///
/// # Errors
///
/// What Postgres said; then nothing is changed.
pub(crate) async fn reset(session: &mut Session) -> Result<(), db::Error> {
    session.batch("reset all").await?;
    session.batch(include_str!("reset.sql")).await
}

struct Failed {
    code: Option<String>,
    text: String,
}

/// Runs statements up to the first that fails.
async fn all(session: &mut Session, statements: &[&str], file: &str) -> Result<(), Failed> {
    for (index, statement) in statements.iter().enumerate() {
        if let Err(error) = session.batch(statement).await {
            let shown: Vec<&str> = statement.lines().take(5).collect();
            let text = format!("{error}\nat statement {} of {file}:\n{}", index + 1, shown.join("\n"));
            return Err(Failed { code: error.code().map(ToOwned::to_owned), text });
        }
    }
    Ok(())
}
