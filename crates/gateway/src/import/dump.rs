//! The project's own schemas, as pg_dump writes them: first what rows need, later what needs rows.

use std::path::{Path, PathBuf};

use anyhow::Context;
use db::{Session, Target, ident};
use sha2::{Digest, Sha256};

use super::clean::cleaned;
use super::source::{Facts, Hook};
use super::state;
use crate::pg_dump;

/// What takes away what a project has made.
const RESET: &str = include_str!("../project/reset.sql");
/// Characters of a statement that failed.
const TOLD: usize = 300;

/// The definitions of the source.
pub(super) struct Dump {
    before: Vec<String>,
    after: Vec<String>,
}

/// Who takes it, and whom it is for.
pub(super) struct Taking<'a> {
    pub(super) source: &'a Target,
    /// Where `pg_dump` may be.
    pub(super) programs: &'a [PathBuf],
    /// Major version of our own server.
    pub(super) version: i32,
    /// Triggers to be left out.
    pub(super) missing: &'a [&'a Hook],
}

/// Takes it.
pub(super) async fn take(taking: &Taking<'_>, facts: &Facts) -> anyhow::Result<Dump> {
    if facts.schemas.is_empty() {
        return Ok(Dump { before: Vec::new(), after: Vec::new() });
    }
    let program = pg_dump::program(facts.version, taking.programs).await?;
    let before = section(&program, taking.source, facts, "pre-data").await?;
    let after = section(&program, taking.source, facts, "post-data").await?;
    let cleaned = |text: &str| cleaned(text, taking.version, taking.missing);
    Ok(Dump { before: cleaned(&before), after: cleaned(&after) })
}

impl Dump {
    /// Whether it speaks of `name` at all.
    pub(super) fn names(&self, name: &str) -> bool {
        self.before.iter().chain(&self.after).any(|statement| statement.contains(name))
    }
}

async fn section(program: &Path, source: &Target, facts: &Facts, section: &str) -> anyhow::Result<String> {
    let mut command = pg_dump::to(program, source)?;
    command.args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces"]);
    command.arg(format!("--section={section}"));
    for schema in &facts.schemas {
        command.arg("--schema").arg(ident(schema));
    }
    for (schema, table) in &facts.foreign_tables {
        command.arg("--exclude-table").arg(format!("{}.{}", ident(schema), ident(table)));
    }
    pg_dump::written(command).await
}

/// Takes away what is here, if it is other than what comes. Whether this is the first time or not: what is half there is
/// in the way.
pub(super) async fn clear(here: &mut Session, dump: &Dump) -> Result<(), db::Error> {
    // Indexes that were made and are other ones now: nothing tells which, so all begins anew.
    let indexes = state::find(here, "indexes").await?;
    let same_indexes = indexes.is_none_or(|applied| applied == digest(&dump.after));
    if is_applied(here, dump).await? && same_indexes {
        return Ok(());
    }
    here.batch("begin").await?;
    let done = async {
        here.batch(RESET).await?;
        // A history of migrations comes as any other schema does.
        here.batch("drop schema if exists supabase_migrations cascade").await?;
        here.execute("delete from basalt.import where step in ('schemas', 'indexes')", &[]).await.map(drop)
    }
    .await;
    super::end(here, done).await
}

/// Types, functions and bare tables. Those that policies protect there let nobody in until policies are here too.
pub(super) async fn apply_before(here: &mut Session, dump: &Dump, facts: &Facts) -> anyhow::Result<()> {
    if is_applied(here, dump).await? {
        return Ok(());
    }
    here.batch("begin; set local check_function_bodies = off;").await?;
    let done = async {
        apply(here, &dump.before).await?;
        for (schema, table) in &facts.protected {
            let path = format!("{}.{}", ident(schema), ident(table));
            here.batch(&["alter table ", &path, " enable row level security"].concat()).await?;
        }
        Ok(state::put(here, "schemas", &digest(&dump.before)).await?)
    }
    .await;
    super::end(here, done).await
}

/// Runs statements, and says which one cannot be.
async fn apply(here: &mut Session, statements: &[String]) -> anyhow::Result<()> {
    for statement in statements {
        let first = || statement.chars().take(TOLD).collect::<String>();
        here.batch(statement).await.with_context(|| format!("cannot run here: {}", first()))?;
    }
    Ok(here.batch("set local search_path = ''").await?)
}

async fn is_applied(here: &mut Session, dump: &Dump) -> Result<bool, db::Error> {
    Ok(state::find(here, "schemas").await?.as_deref() == Some(digest(&dump.before).as_str()))
}

/// Indexes, constraints, triggers, policies and materialised views.
pub(super) async fn apply_after(here: &mut Session, dump: &Dump) -> anyhow::Result<()> {
    let digest = digest(&dump.after);
    if state::find(here, "indexes").await?.as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    here.batch("begin; set local check_function_bodies = off; set local statement_timeout = 0").await?;
    let done = async {
        apply(here, &dump.after).await?;
        Ok(state::put(here, "indexes", &digest).await?)
    }
    .await;
    super::end(here, done).await
}

fn digest(statements: &[String]) -> String {
    hex::encode(Sha256::digest(statements.join(";\n")))
}
