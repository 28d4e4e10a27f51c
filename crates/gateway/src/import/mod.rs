//! Moving in: a live Supabase, hosted or self-hosted, taken over by a running Basalt.
//!
//! What is the source's is read over its database URL and, for files, its storage API. Nothing is written there. Run it as
//! often as you like: every step looks at both sides first and does what is missing, table by table and file by file, so
//! that a run that was killed goes on, and a run after some days brings what has changed since. What it says at the end was
//! compared: rows by count and by a checksum over every column, files by size and MD5; at the cut-over with the source as it is
//! then, not as it was when the run began.
//!
//! ```text
//! source     what there is, and what of it has no place here      tables    rows, compared and copied
//! dump       the project's own schemas, by pg_dump                 clean     what pg_dump wrote, fit for this server
//! state      what was done here before
//! roles      roles and extensions that the schemas need            managed   what users put on tables of the platform
//! secrets    the vault                                             objects   buckets and files
//! report     what was done, and what is equal
//! ```
//!
//! The tables of auth and storage are ours and stay ours: of theirs the rows come, by the columns that both have. All is
//! written as the superuser, with triggers at rest, and each table in one transaction. Refused: an installation that is in
//! use already, a source that is another than last time, one that has been cut over, and one behind a pooler in transaction
//! mode, where pg_dump would leave its settings in connections of the project's applications.
//!
//! The source is believed as far as a dump is believed that a superuser restores: what it defines runs here. It is not let
//! out of that: its names are quoted, its files can reach no other URL, its roles get no right over the machine.

mod clean;
mod dump;
mod managed;
mod objects;
mod report;
mod roles;
mod secrets;
mod source;
mod state;
mod tables;

use std::path::PathBuf;

use anyhow::{Context, bail};
use db::{Pool, PoolOptions, Session, Target};
use dump::Taking;
pub(crate) use objects::{Here, Storage};
pub(crate) use report::Report;

/// What is to be moved, and where to.
pub(crate) struct Move {
    /// The source's database.
    pub(crate) source: Target,
    /// Our own, as its superuser.
    pub(crate) administrator: Target,
    /// The source's files, if they are to come too.
    pub(crate) storage: Option<Storage>,
    /// Where they are not: it is all right that they stay.
    pub(crate) without_files: bool,
    /// Our own storage.
    pub(crate) here: Here,
    /// Secrets come too.
    pub(crate) secrets: bool,
    /// Where `pg_dump` may be.
    pub(crate) programs: Vec<PathBuf>,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    /// The last run: no other follows.
    pub(crate) cut_over: bool,
    /// Throw away what is here.
    pub(crate) replace: bool,
}

/// Does it. `tell` hears what is being done.
///
/// # Errors
///
/// What stops a run; what is merely not equal is in the report.
pub(crate) async fn run(plan: &Move, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let one = || PoolOptions { size: 1, ..PoolOptions::default() };
    let source_pool = Pool::new(&plan.source, one());
    let here_pool = Pool::new(&plan.administrator, one());
    let guard = Pool::new(&plan.administrator, one());
    let mut report = Report::default();
    source::not_shared(&plan.source).await?;
    let mut source = source::open(&source_pool).await.context("the source")?;
    let mut here = here_pool.session().await.context("the database of this installation")?;
    let mut alone = guard.session().await.context("the database of this installation")?;
    if !plan.dry_run {
        state::alone(&mut alone).await?;
    }

    tell("looking at both sides");
    let facts = source::facts(&mut source).await.context("the source")?;
    report.notes.extend(facts.notes());
    report.notes.extend(tables::left_behind(&mut source, &mut here).await.context("the source")?);
    if plan.storage.is_none() && facts.files > 0 {
        report.notes.push(format!("{} files were not taken over (--api-url brings them)", facts.files));
        if plan.cut_over && !plan.without_files {
            bail!("the source has {} files: name its --api-url, or go on --without-files", facts.files);
        }
    }
    report.notes.extend(roles::unavailable(&mut here, &facts).await?);
    let hooks = managed::missing(&mut here, &facts.hooks).await?;
    report.notes.extend(hooks.iter().map(|hook| hook.left()));
    let version = here.query_one("select current_setting('server_version_num')::int / 10000", &[]).await?;
    let taking = Taking {
        source: &plan.source,
        programs: &plan.programs,
        version: version.try_get(0)?,
        missing: &hooks,
    };
    let dump = dump::take(&taking, &facts).await?;
    if plan.dry_run {
        report.tables = tables::compare(&mut source, &mut here, &facts).await?;
        return Ok(report);
    }
    state::admit(&mut here, &facts, plan.replace).await?;

    dump::clear(&mut here, &dump).await.context("clearing what is here")?;
    managed::clear(&mut here).await.context("policies and triggers of the platform's tables")?;
    tell("roles and extensions");
    report.notes.extend(roles::bring(&mut here, &facts, &dump).await.context("roles and extensions")?);
    tell("schemas");
    // What is missing here is why a schema cannot be.
    let notes = report.notes.join("; ");
    let schemas = || format!("the schemas (known so far: {notes})");
    managed::routines(&mut source, &mut here, false).await?;
    dump::apply_before(&mut here, &dump, &facts).await.with_context(schemas)?;
    managed::routines(&mut source, &mut here, true).await?;
    report.tables = tables::bring(&mut source, &mut here, &facts, tell).await?;
    tables::sequences(&mut source, &mut here, &facts).await.context("sequences")?;
    tell("indexes, constraints, triggers and policies");
    dump::apply_after(&mut here, &dump).await.with_context(schemas)?;
    // Before triggers: files that come are no news.
    if let Some(storage) = &plan.storage {
        report.objects = Some(objects::bring(&mut source, &mut here, storage, &plan.here, tell).await?);
    }
    let managed = managed::bring(&mut source, &mut here, &facts).await;
    report.notes.extend(managed.context("policies and triggers of the platform's tables")?);
    drop(here);
    if plan.secrets {
        tell("the vault");
        report.secrets = Some(secrets::bring(&mut source, &here_pool, &mut report.notes).await?);
    }
    let mut here = here_pool.session().await?;
    tell("comparing");
    if plan.cut_over {
        // What was written there in the meantime would be lost.
        drop(source);
        source = source::open(&source_pool).await.context("the source")?;
        if let Some(files) = &mut report.objects {
            objects::count(&mut source, &mut here, files).await?;
        }
    }
    report.verify(&tables::compare(&mut source, &mut here, &facts).await?);
    if plan.cut_over && report.is_equal() {
        state::close(&mut here).await?;
    }
    drop(alone);
    Ok(report)
}

/// Begins a transaction of ours in which triggers and foreign keys rest, and rows look alike on both sides.
pub(super) async fn begin(here: &mut Session) -> Result<(), db::Error> {
    here.batch("begin; set local session_replication_role = replica;").await?;
    here.batch(source::ALIKE).await
}

/// Ends it, for good or for nothing.
pub(super) async fn end<T, E: From<db::Error>>(here: &mut Session, result: Result<T, E>) -> Result<T, E> {
    match result {
        Ok(value) => {
            here.batch("commit").await?;
            Ok(value)
        }
        Err(error) => {
            // The first error tells.
            let _ = here.batch("rollback").await;
            Err(error)
        }
    }
}
