//! Finding the server binaries.
//!
//! Order: the configured directory and nothing else; `pgsql/bin` beside the data directory; what `pg_config` of the PATH
//! names; the places distributions use, highest version first. An existing cluster is always run with its own major
//! version: a newer server would refuse its files. Everything tried is kept for the error message.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{StartError, account::Account};

/// The oldest major version supported.
pub(crate) const OLDEST: u32 = 15;

/// Parents of `<version>/bin` or `postgresql@<version>/bin`: Debian, Homebrew on both kinds of Mac, the PostgreSQL RPMs.
const PARENTS: [&str; 4] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"];

/// A directory with server binaries.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// Finds binaries of major version `wanted`, or of any supported one.
    pub fn find(
        configured: Option<&Path>,
        data_dir: &Path,
        wanted: Option<u32>,
        account: &Account,
    ) -> Result<Self, StartError> {
        let candidates = match configured {
            Some(dir) => vec![dir.to_path_buf()],
            None => candidates(data_dir),
        };
        let mut searched = Vec::new();
        for dir in candidates {
            match version(&dir, account) {
                Some(major) if wanted.map_or(major >= OLDEST, |wanted| wanted == major) => {
                    return Ok(Self { dir, major });
                }
                Some(major) => searched.push(format!("{} (has {major})", dir.display())),
                None => searched.push(dir.display().to_string()),
            }
        }
        if configured.is_none() {
            searched.extend(PARENTS.iter().map(|parent| format!("{parent}/*/bin")));
        }
        Err(StartError::NoBinaries { wanted, searched })
    }

    /// The path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether the server has this loadable library.
    pub fn has_library(&self, name: &str) -> bool {
        ["../lib", "../lib/postgresql"].iter().any(|lib| {
            ["so", "dylib"].iter().any(|end| self.dir.join(lib).join(format!("{name}.{end}")).exists())
        })
    }
}

fn candidates(data_dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        data_dir.parent().map(|parent| parent.join("pgsql/bin")).into_iter().collect();
    found.extend(pg_config_bindir());
    let mut installed: Vec<(u32, PathBuf)> = PARENTS
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| Some((major_of_dir(entry.file_name().to_str()?)?, entry.path().join("bin"))))
        .collect();
    installed.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.extend(installed.into_iter().map(|(_, dir)| dir));
    found
}

/// `15`, `postgresql@15`, `pgsql-15`.
fn major_of_dir(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("postgresql@").or_else(|| name.strip_prefix("pgsql-")).unwrap_or(name);
    digits.parse().ok()
}

/// Debian's own `pg_config` names the directory of the installed server, others their prefix.
fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    let dir = dir.trim();
    (output.status.success() && dir.starts_with('/')).then(|| PathBuf::from(dir))
}

/// Asks the server for its version, as the account that will run it: a directory beside the data directory may belong to
/// somebody whose programs root must not run.
fn version(dir: &Path, account: &Account) -> Option<u32> {
    let server = dir.join("postgres");
    if !server.exists() || !dir.join("initdb").exists() {
        return None;
    }
    let output = account.command(&server).arg("--version").output().ok()?;
    parse_version(std::str::from_utf8(&output.stdout).ok()?)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn parse_version(line: &str) -> Option<u32> {
    let version = line.split_once("(PostgreSQL) ")?.1;
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_versions() {
        for (line, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 17", Some(17)),
            ("postgres (PostgreSQL) devel", None),
            ("something else 15", None),
            ("", None),
        ] {
            assert_eq!(parse_version(line), expected, "{line:?}");
        }
    }

    #[test]
    fn reads_directory_names() {
        for (name, expected) in [
            ("15", Some(15)),
            ("postgresql@16", Some(16)),
            ("pgsql-17", Some(17)),
            ("lib", None),
            ("postgresql", None),
        ] {
            assert_eq!(major_of_dir(name), expected, "{name}");
        }
    }

    #[test]
    fn a_configured_directory_is_the_only_one() {
        let account = Account::choose(None).unwrap();
        let error =
            Binaries::find(Some(Path::new("/nonexistent/bin")), Path::new("/"), None, &account).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("looked in /nonexistent/bin; install"), "{text}");
    }

    #[test]
    fn a_cluster_of_another_version_is_not_run() {
        let account = Account::choose(None).unwrap();
        let error = Binaries::find(None, Path::new("/nonexistent/data"), Some(9), &account).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("(version 9)"), "{text}");
    }
}
