//! Which operating system account the server runs under, and how a program is started as it.
//!
//! Postgres and initdb refuse to run as root. Started as root we become the configured user, else `postgres`, else
//! `basalt`; started as anybody else we stay who we are.
//!
//! The server must not outlive us: two servers on one cluster, or one that nobody supervises, is what a `kill -9` would
//! otherwise leave. Linux can send a signal to a child when its parent dies, but the child has to ask for it between fork
//! and exec *after* it has changed its user (a change of user forgets the request), and the standard library offers no
//! safe hook there. util-linux' `setpriv` does exactly that: groups, gid, uid, death signal, then exec, so the process id
//! we get is the server's. The signal is tied to the *thread* that forked; [`crate::process`] starts the server from the
//! thread that also waits for it. Where `setpriv` is missing the standard library changes the user (it also drops the
//! supplementary groups) and a server orphaned by `kill -9` keeps running until the next start finds and stops it.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::unistd::{Gid, Uid, User, geteuid};

use crate::StartError;

/// Accounts tried in turn when we are root and none is configured.
const USUAL: [&str; 2] = ["postgres", "basalt"];

/// Where the server may look for programs (`archive_command` and the like). Our own environment holds secrets and is
/// not handed down.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The account of the server.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub name: String,
    pub uid: Uid,
    pub gid: Gid,
    /// We are root and become this account; otherwise we are it already.
    pub drops_root: bool,
    /// `setpriv` is there and knows the death signal.
    has_setpriv: bool,
}

impl Account {
    /// Picks the account; see the module text for the order.
    pub fn choose(run_as: Option<&str>) -> Result<Self, StartError> {
        let own = geteuid();
        let user = if own.is_root() {
            to_become(run_as)?
        } else {
            let user = lookup(User::from_uid(own)).ok_or(StartError::NoPasswdEntry(own.as_raw()))?;
            match run_as {
                Some(wanted) if wanted != user.name => {
                    return Err(StartError::CannotSwitchUser { ours: user.name, wanted: wanted.to_owned() });
                }
                _ => user,
            }
        };
        let account = Self {
            drops_root: own.is_root(),
            has_setpriv: setpriv_knows_death_signal(),
            name: user.name,
            uid: user.uid,
            gid: user.gid,
        };
        if !account.has_setpriv {
            tracing::warn!(
                "setpriv (util-linux) is missing: Postgres keeps running if this process is killed"
            );
        }
        if account.drops_root {
            account.try_out()?;
        }
        Ok(account)
    }

    /// Runs a program that does nothing as this account, so that a failure to become it is not taken for another.
    fn try_out(&self) -> Result<(), StartError> {
        let reason = match self.command(Path::new("true")).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(StartError::CannotDropRoot { account: self.name.clone(), reason })
    }

    /// A command that runs `program` as this account, in its own process group (so that Ctrl-C reaches only us), with a
    /// clean environment, and that is interrupted when the thread that starts it ends.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = if self.has_setpriv {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "INT"]);
            if self.drops_root {
                command.arg("--clear-groups");
                command.args(["--regid", &self.gid.to_string(), "--reuid", &self.uid.to_string()]);
            }
            command.arg("--").arg(program);
            command
        } else {
            let mut command = Command::new(program);
            if self.drops_root {
                command.gid(self.gid.as_raw()).uid(self.uid.as_raw());
            }
            command
        };
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// The names of the operating system users that may log in over the socket: the server's and, if it differs, ours.
    pub fn trusted(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        if self.drops_root {
            names.push(lookup(User::from_uid(geteuid())).map_or_else(|| "root".to_owned(), |user| user.name));
        }
        names
    }
}

/// The name of a user id, or the number where it has none.
pub(crate) fn name_of(uid: u32) -> String {
    lookup(User::from_uid(Uid::from_raw(uid))).map_or_else(|| uid.to_string(), |user| user.name)
}

fn to_become(run_as: Option<&str>) -> Result<User, StartError> {
    let user = match run_as {
        Some(name) => {
            lookup(User::from_name(name)).ok_or_else(|| StartError::UnknownUser(name.to_owned()))?
        }
        None => USUAL
            .iter()
            .find_map(|name| lookup(User::from_name(name)))
            .ok_or(StartError::NoUnprivilegedUser)?,
    };
    if user.uid.is_root() { Err(StartError::UserIsRoot(user.name)) } else { Ok(user) }
}

/// A user database that cannot be read is treated like one without the entry: the advice is the same.
fn lookup(found: nix::Result<Option<User>>) -> Option<User> {
    found.ok().flatten()
}

/// Busybox has a `setpriv` that lacks the option, so ask instead of looking for the file.
fn setpriv_knows_death_signal() -> bool {
    Command::new("setpriv")
        .args(["--pdeathsig", "INT", "--version"])
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn refuses_accounts_it_cannot_use() {
        assert!(matches!(to_become(Some("no-such-user-here")), Err(StartError::UnknownUser(_))));
        assert!(matches!(to_become(Some("root")), Err(StartError::UserIsRoot(_))));
    }

    #[test]
    fn programs_run_as_the_account_and_nobody_else() {
        let account = Account::choose(None).unwrap();
        for has_setpriv in [account.has_setpriv, false] {
            let account = Account { has_setpriv, ..account.clone() };
            let id = |option: &str| {
                let output = account.command(Path::new("/usr/bin/id")).arg(option).output().unwrap();
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            };
            assert_eq!(id("-u"), account.uid.to_string());
            assert_eq!(id("-ru"), account.uid.to_string());
            assert_eq!(id("-g"), account.gid.to_string());
            if account.drops_root {
                assert_eq!(id("-G"), account.gid.to_string(), "no group of root is kept");
            }
        }
    }

    #[test]
    fn hands_no_secret_down() {
        let account = Account::choose(None).unwrap();
        let command = account.command(Path::new("/bin/true"));
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["LC_ALL", "PATH", "TZ"]);
        let output = account.command(Path::new("/usr/bin/env")).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    }
}
