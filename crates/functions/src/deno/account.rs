//! Who a function's process is, and what the operating system keeps it from.
//!
//! Where the server runs as root, functions do not: they become `nobody`, or whom `functions.run_as` names. That is
//! another account than Postgres', whose files and socket would be open to it. util-linux' `setpriv` and `prlimit` change
//! the account, forbid to regain rights, end the process with the thread that started it, and bound files and
//! processes, before Deno begins. Where they are missing, the account alone is changed.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{User, geteuid};
use tokio::process::Command;

/// Who functions are, if nobody else is named.
const NOBODY: &str = "nobody";
/// Where programs of the system are.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// What a process may have at most: no dumps of its memory, and files, processes and threads, and bytes in one file.
const BOUNDS: [&str; 4] = ["--core=0", "--nofile=4096", "--nproc=2048", "--fsize=536870912"];

/// An account to become.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Whom to become; none where we stay who we are.
    pub(crate) fn choose(run_as: &str) -> Result<Option<Self>, String> {
        let own = geteuid();
        let lookup = |name: &str| User::from_name(name).ok().flatten();
        if !own.is_root() {
            let is_own = run_as.is_empty() || lookup(run_as).is_some_and(|user| user.uid == own);
            return if is_own { Ok(None) } else { Err(format!("only root can run functions as {run_as}")) };
        }
        let name = if run_as.is_empty() { NOBODY } else { run_as };
        let Some(user) = lookup(name) else { return Err(format!("there is no account {name}")) };
        if user.uid.is_root() {
            tracing::warn!("functions run as root, as functions.run_as says");
            return Ok(None);
        }
        Ok(Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// A directory in `parent` that is this account's own.
    pub(super) fn own_directory(&self, parent: &Path, name: &str) -> std::io::Result<PathBuf> {
        let directory = parent.join(format!("{name}-{}", self.name));
        std::fs::create_dir_all(&directory)?;
        chown(&directory, Some(self.uid), Some(self.gid))?;
        Ok(directory)
    }

    /// What is wrong, if the account cannot read one of `files`.
    pub(super) async fn cannot_reach(&self, files: &[&Path]) -> Option<String> {
        for file in files {
            let mut command = command(Some(self), Path::new("test"));
            command.arg("-r").arg(file).env_clear().env("PATH", PATH).stdin(Stdio::null());
            if !command.status().await.is_ok_and(|status| status.success()) {
                return Some(format!(
                    "cannot run: the account {} may not read {}. Put it elsewhere, or set functions.run_as",
                    self.name,
                    file.display()
                ));
            }
        }
        None
    }
}

/// A command that runs `program` as `account`, bounded.
pub(super) fn command(account: Option<&Account>, program: &Path) -> Command {
    let (Some(setpriv), Some(prlimit)) = (find("setpriv"), find("prlimit")) else {
        let mut command = Command::new(program);
        if let Some(account) = account {
            // The standard library drops the groups of root as well.
            command.uid(account.uid).gid(account.gid);
        }
        return command;
    };
    let mut command = Command::new(setpriv);
    command.args(["--no-new-privs", "--pdeathsig", "KILL"]);
    if let Some(account) = account {
        command.arg("--clear-groups");
        command.args(["--regid", &account.gid.to_string(), "--reuid", &account.uid.to_string()]);
    }
    command.arg("--").arg(prlimit).args(BOUNDS).arg("--").arg(program);
    command
}

fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(PATH).map(|directory| directory.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn said(account: Option<&Account>, program: &str, words: &[&str]) -> String {
        let output = command(account, Path::new(program)).args(words).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn a_program_is_bounded_and_not_root() {
        let account = Account::choose("").unwrap();
        assert_eq!(account.is_some(), geteuid().is_root());
        assert_ne!(said(account.as_ref(), "/usr/bin/id", &["-u"]).await, "0");
        assert_ne!(said(account.as_ref(), "/usr/bin/id", &["-G"]).await, "0");
        assert_eq!(said(account.as_ref(), "/bin/sh", &["-c", "ulimit -c; ulimit -n"]).await, "0\n4096");
        let status = said(account.as_ref(), "/bin/cat", &["/proc/self/status"]).await;
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }

    #[tokio::test]
    async fn what_it_cannot_read_is_named() {
        let Some(account) = Account::choose("").unwrap() else { return };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.ts");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let why = account.cannot_reach(&[&file]).await.unwrap();
        assert!(why.contains("the account nobody may not read"), "{why}");
        assert_eq!(account.cannot_reach(&[Path::new("/bin/sh")]).await, None);
    }

    #[test]
    fn an_account_that_is_not_there_is_refused() {
        assert!(Account::choose("no-such-account").is_err());
    }
}
