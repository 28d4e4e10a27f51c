//! The project's own schemas, as pg_dump writes them: first what rows need, later what needs rows.

use std::path::PathBuf;

use anyhow::{Context, bail};
use db::Session;
use kernel::Secret;
use sha2::{Digest, Sha256};
use tokio::process::Command;
use url::Url;

use super::source::Facts;
use super::state;

/// What takes away what a project has made.
const RESET: &str = include_str!("../project/reset.sql");

/// The definitions of the source.
pub(super) struct Dump {
    before: String,
    after: String,
}

/// Takes it.
pub(super) async fn take(url: &Secret, facts: &Facts, programs: &[PathBuf]) -> anyhow::Result<Dump> {
    let program = program(facts.version, programs).await?;
    let before = section(&program, url, facts, "pre-data").await?;
    let after = section(&program, url, facts, "post-data").await?;
    Ok(Dump { before, after })
}

/// The newest pg_dump: an older one than the source cannot read it.
async fn program(version: i32, programs: &[PathBuf]) -> anyhow::Result<PathBuf> {
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
            "the source runs Postgres {version} and pg_dump is of {major}: install postgresql-client-{version}"
        ),
        None => bail!("no pg_dump was found: install postgresql-client-{version}"),
    }
}

async fn section(program: &PathBuf, url: &Secret, facts: &Facts, section: &str) -> anyhow::Result<String> {
    let (place, password) = without_password(url)?;
    let mut command = Command::new(program);
    command.args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces"]);
    command.arg(format!("--section={section}")).arg("--dbname").arg(place);
    for schema in &facts.schemas {
        command.arg("--schema").arg(format!("\"{}\"", schema.replace('"', "\"\"")));
    }
    if let Some(password) = password {
        // Arguments are shown in the list of processes.
        command.env("PGPASSWORD", password.expose());
    }
    let output = command.kill_on_drop(true).output().await.context("pg_dump")?;
    if !output.status.success() {
        bail!("pg_dump: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(cleaned(&String::from_utf8(output.stdout).context("pg_dump")?))
}

fn without_password(url: &Secret) -> anyhow::Result<(String, Option<Secret>)> {
    let Ok(mut parsed) = Url::parse(url.expose()) else { return Ok((url.expose().to_owned(), None)) };
    let Some(password) = parsed.password().filter(|password| !password.is_empty()) else {
        return Ok((url.expose().to_owned(), None));
    };
    let password =
        percent_encoding::percent_decode_str(password).decode_utf8().context("the password of the URL")?;
    let password = Secret::new(password.into_owned());
    // A URL with a host has room for no password.
    let _ = parsed.set_password(None);
    Ok((parsed.to_string(), Some(password)))
}

/// Without what only psql or a newer server understands, and without what is here already.
fn cleaned(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ") {
            continue;
        }
        if line.starts_with("SET transaction_timeout") || line.starts_with("SET default_toast_compression") {
            continue;
        }
        match line.strip_prefix("CREATE SCHEMA ") {
            Some(name) if line.ends_with(';') => {
                clean.push_str("CREATE SCHEMA IF NOT EXISTS ");
                clean.push_str(name);
            }
            _ => clean.push_str(line),
        }
        clean.push('\n');
    }
    clean
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
        here.execute("delete from basalt.import where step in ('schemas', 'indexes')", &[]).await.map(drop)
    }
    .await;
    super::end(here, done).await
}

/// Types, functions and bare tables.
pub(super) async fn apply_before(here: &mut Session, dump: &Dump) -> Result<(), db::Error> {
    if is_applied(here, dump).await? {
        return Ok(());
    }
    here.batch("begin; set local check_function_bodies = off;").await?;
    let done = async {
        here.batch(&dump.before).await?;
        here.batch("set local search_path = ''").await?;
        state::put(here, "schemas", &digest(&dump.before)).await
    }
    .await;
    super::end(here, done).await
}

async fn is_applied(here: &mut Session, dump: &Dump) -> Result<bool, db::Error> {
    Ok(state::find(here, "schemas").await?.as_deref() == Some(digest(&dump.before).as_str()))
}

/// Indexes, constraints, triggers, policies and materialised views.
pub(super) async fn apply_after(here: &mut Session, dump: &Dump) -> Result<(), db::Error> {
    let digest = digest(&dump.after);
    if state::find(here, "indexes").await?.as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    here.batch("begin; set local check_function_bodies = off; set local statement_timeout = 0").await?;
    let done = async {
        here.batch(&dump.after).await?;
        here.batch("set local search_path = ''").await?;
        state::put(here, "indexes", &digest).await
    }
    .await;
    super::end(here, done).await
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_dump_for_our_own_server() {
        let text = "\\restrict abc\nSET transaction_timeout = 0;\nCREATE SCHEMA shop;\nselect 'CREATE SCHEMA x;';\n\\unrestrict abc\n";
        assert_eq!(cleaned(text), "CREATE SCHEMA IF NOT EXISTS shop;\nselect 'CREATE SCHEMA x;';\n");
    }

    #[test]
    fn a_password_is_no_argument() {
        let check = |url: &str, place: &str, password: Option<&str>| {
            let (found, secret) = without_password(&Secret::new(url)).unwrap();
            assert_eq!((found.as_str(), secret.as_ref().map(Secret::expose)), (place, password));
        };
        check("postgresql://u:p%40s@h:1/d", "postgresql://u@h:1/d", Some("p@s"));
        check("postgresql://u@/d?host=/run", "postgresql://u@/d?host=/run", None);
        check("host=/run user=u", "host=/run user=u", None);
    }
}
