//! pg_dump: which one, and how it is run. Where it goes and who it is are variables of its environment, for other accounts
//! see its arguments.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use db::Target;
use tokio::process::Command;

use crate::settings;

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

/// One that reads `target`, and nothing that the variables around us name.
pub(crate) fn to(program: &Path, target: &Target) -> Result<Command, db::Error> {
    let mut command = Command::new(program);
    for name in settings::environment().keys().filter(|name| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command.envs(target.variables()?.iter().map(|(name, value)| (name, value.expose())));
    // It would ask at a terminal.
    command.arg("--no-password");
    Ok(command)
}

/// What it writes.
pub(crate) async fn written(mut command: Command) -> anyhow::Result<String> {
    let output = command.kill_on_drop(true).output().await.context("pg_dump")?;
    if !output.status.success() {
        bail!("pg_dump: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("pg_dump")
}
