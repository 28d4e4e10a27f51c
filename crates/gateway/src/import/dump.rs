//! The project's own schemas, as pg_dump writes them: first what rows need, later what needs rows.

use std::path::PathBuf;

use anyhow::{Context, bail};
use db::{Session, ident};
use kernel::Secret;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::clean::cleaned;
use super::source::{Facts, Hook};
use super::state;

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
    pub(super) url: &'a Secret,
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
    let program = program(facts.version, taking.programs).await?;
    let before = section(&program, taking.url, facts, "pre-data").await?;
    let after = section(&program, taking.url, facts, "post-data").await?;
    let cleaned = |text: &str| cleaned(text, taking.version, taking.missing);
    Ok(Dump { before: cleaned(&before), after: cleaned(&after) })
}

impl Dump {
    /// Whether it speaks of `name` at all.
    pub(super) fn names(&self, name: &str) -> bool {
        self.before.iter().chain(&self.after).any(|statement| statement.contains(name))
    }
}

/// The newest pg_dump: an older one than the source cannot read it.
pub(crate) async fn program(version: i32, programs: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let mut newest: Option<(i32, PathBuf)> = None;
    for program in programs.iter().filter(|program| program.is_file()) {
        let Ok(output) = Command::new(program).arg("--version").output().await else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let major = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
        if let Some(major) = major
            && newest.as_ref().is_none_or(|(best, _)| *best < major)
        {
            newest = Some((major, program.clone()));
        }
    }
    match newest {
        Some((major, program)) if major >= version => Ok(program),
        Some((major, _)) => bail!(
            "the source runs Postgres {version}, and pg_dump here is of {major}: an older one cannot read it. Install \
             postgresql-client-{version} (for Debian and Ubuntu it is on apt.postgresql.org), or name its pg_dump with \
             --pg-dump. This server may stay as old as it is"
        ),
        None => {
            bail!("no pg_dump was found: install postgresql-client-{version}, or name one with --pg-dump")
        }
    }
}

async fn section(program: &PathBuf, url: &Secret, facts: &Facts, section: &str) -> anyhow::Result<String> {
    let (place, password) = without_password(url)?;
    let mut command = Command::new(program);
    command.args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces"]);
    command.arg(format!("--section={section}")).arg("--dbname").arg(place);
    for schema in &facts.schemas {
        command.arg("--schema").arg(ident(schema));
    }
    for (schema, table) in &facts.foreign_tables {
        command.arg("--exclude-table").arg(format!("{}.{}", ident(schema), ident(table)));
    }
    if let Some(password) = password {
        // Arguments are shown in the list of processes.
        command.env("PGPASSWORD", password.expose());
    }
    let output = command.kill_on_drop(true).output().await.context("pg_dump")?;
    if !output.status.success() {
        bail!("pg_dump: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("pg_dump")
}

/// The place to name in arguments, which the list of processes shows, and the password. By hand: URLs of libpq may have no
/// host, or several.
fn without_password(url: &Secret) -> anyhow::Result<(String, Option<Secret>)> {
    let Some((scheme, rest)) = url.expose().split_once("://") else {
        bail!("the source is to be named by a URL")
    };
    let decoded = |text: &str| -> anyhow::Result<Secret> {
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        Ok(Secret::new(text.context("the password of the URL")?.into_owned()))
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let mut password = None;
    let authority = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, given) = user.split_once(':').unwrap_or((user, ""));
            if !given.is_empty() {
                password = Some(decoded(given)?);
            }
            format!("{user}@{hosts}")
        }
        None => authority.to_owned(),
    };
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut place = format!("{scheme}://{authority}{path}");
    let mut others = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.strip_prefix("password=") {
            Some(given) => password = Some(decoded(given)?),
            None => others.push(part),
        }
    }
    if !others.is_empty() {
        place = format!("{place}?{}", others.join("&"));
    }
    Ok((place, password))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_password_is_no_argument() {
        let check = |url: &str, place: &str, password: Option<&str>| {
            let (found, secret) = without_password(&Secret::new(url)).unwrap();
            assert_eq!((found.as_str(), secret.as_ref().map(Secret::expose)), (place, password));
        };
        check("postgresql://u:p%40s@h:1/d", "postgresql://u@h:1/d", Some("p@s"));
        check("postgresql://u@/d?host=/run", "postgresql://u@/d?host=/run", None);
        check("postgresql://u:p:q@a:1,b:2/d", "postgresql://u@a:1,b:2/d", Some("p:q"));
        check("postgresql://h/d", "postgresql://h/d", None);
        check(
            "postgresql://u@h/d?password=p%26x&sslmode=require",
            "postgresql://u@h/d?sslmode=require",
            Some("p&x"),
        );
        assert!(without_password(&Secret::new("host=h password=p")).is_err());
    }
}
