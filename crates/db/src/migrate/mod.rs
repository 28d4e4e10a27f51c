//! The schemas of all owners, brought up to date.
//!
//! Each part of the product owns a schema and the files under `migrations/<owner>`:
//!
//! - **versioned** files `V0001__name.sql` change tables. Each is applied once, in its own transaction,
//!   and recorded in `basalt.migrations_<owner>`; a file that was changed or that is missing here
//!   stops the run.
//! - **repeatable** files hold functions, views, triggers and grants that can be run again at any
//!   time. They are, in the order of their names, when their text or a setting they read has
//!   changed, or when the database is not the one they were run in (a dump restored elsewhere).
//! - settings reach the files as session settings `basalt.<name>`, never by changing their text.
//!
//! [`run`] takes a session lock, so that servers may start together, and works as
//! `supabase_admin`. When everything is applied it costs a connection and one query.

mod apply;
mod owner;
mod report;

pub use owner::{Migrations, Owner, Repeatable};
pub use report::{File, MigrateError, Report};

use crate::{Error, Pool, PoolOptions, Session, Target, bootstrap};

/// Held by whoever migrates a database. Any constant would do.
const LOCK: i64 = 0x6261_7361_6c74;

/// The tables in which the runner remembers what it did.
const HISTORY: &str = "
    create schema if not exists basalt;
    create table if not exists basalt.owners (
      owner text primary key,
      fingerprint text not null,
      database text not null,
      applied_at timestamptz not null default now());
    create table if not exists basalt.repeatables (
      owner text not null,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now(),
      primary key (owner, name));";

/// Brings the database up to date. `target` logs in as a superuser.
///
/// # Errors
///
/// [`MigrateError`]; a later run continues where this one stopped.
pub async fn run(target: &Target, owners: &[Migrations]) -> Result<Report, MigrateError> {
    // From the first statement on: whoever may create functions in a schema that a superuser searches
    // could have them run by him.
    let target = quiet(target).with_option("search_path", "");
    let pool = Pool::new(&target, PoolOptions { size: 1, ..PoolOptions::default() });
    let mut session = pool.session().await?;
    if is_current(&mut session, owners).await? {
        return Ok(Report::default());
    }
    session.query("select pg_advisory_lock($1)", &[&LOCK]).await?;
    // Without this the lock would last until the server notices that the connection is closed.
    let report = update(&mut session, owners).await;
    let unlocked = session.batch("select pg_advisory_unlock_all()").await;
    let report = report?;
    unlocked?;
    Ok(report)
}

/// Files make what may be there already: that it is, or is not, is no news.
fn quiet(target: &Target) -> Target {
    target.clone().with_option("client_min_messages", "warning")
}

/// One query: is every owner recorded, for this very database, with the fingerprint it has here?
async fn is_current(session: &mut Session, owners: &[Migrations]) -> Result<bool, Error> {
    let names: Vec<&str> = owners.iter().map(|owner| owner.owner.name()).collect();
    let fingerprints: Vec<String> = owners.iter().map(Migrations::fingerprint).collect();
    let count = format!(
        "select count(*) from basalt.owners o
           join unnest($1::text[], $2::text[]) here(owner, fingerprint) using (owner, fingerprint)
          where o.database = {IDENTITY}"
    );
    match session.query_one(&count, &[&names, &fingerprints]).await {
        Ok(row) if row.get::<_, i64>(0) == i64::try_from(owners.len()).unwrap_or(-1) => {
            bootstrap::has_roles(session).await
        }
        Ok(_) => Ok(false),
        // Nothing was ever applied: neither table nor schema is there.
        Err(error) if matches!(error.code(), Some("42P01" | "3F000" | "42501")) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Distinguishes this database from a copy of it: in another cluster, or in this one.
pub(crate) const IDENTITY: &str = "(select c.system_identifier || '/' || d.oid
           from pg_catalog.pg_control_system() c, pg_catalog.pg_database d
          where d.datname = pg_catalog.current_database())";

async fn update(session: &mut Session, owners: &[Migrations]) -> Result<Report, MigrateError> {
    bootstrap::become_administrator(session).await?;
    session.batch(HISTORY).await?;
    let mut report = Report::default();
    let mut owners: Vec<&Migrations> = owners.iter().collect();
    owners.sort_by_key(|owner| owner.owner);
    for owner in owners {
        apply::apply(session, owner, &mut report).await?;
    }
    Ok(report)
}
