//! Why the cluster did not start or stop.
//!
//! Every message says what is wrong, names the path or account, and ends with what to do: it is shown as it is to
//! someone who has just typed a command.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// Why [`crate::Cluster::start`] gave up. Nothing is left running when it is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another instance holds the lock of this data directory.
    #[error(
        "another instance is using {}{}; stop it first, or choose another data directory",
        data_dir.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    AlreadyRunning {
        /// The data directory both want.
        data_dir: PathBuf,
        /// The process that wrote itself into the lock file, when it could be read.
        pid: Option<i32>,
    },

    /// We are root, Postgres refuses to be, and there is no account to become.
    #[error(
        "Postgres does not run as root and neither a user `postgres` nor a user `basalt` exists; \
         create one (`useradd --system basalt`) or name one in the settings"
    )]
    NoUnprivilegedUser,

    /// The account named in the settings does not exist.
    #[error("there is no user `{0}` on this system; create it, or name another one in the settings")]
    UnknownUser(String),

    /// The account named in the settings is root.
    #[error("Postgres refuses to run as root; name another user than `{0}` in the settings")]
    UserIsRoot(String),

    /// Only root can become another user.
    #[error("running as `{ours}`, which cannot become `{wanted}`; start as root or as `{wanted}`")]
    CannotSwitchUser {
        /// Who we are.
        ours: String,
        /// Who the settings ask for.
        wanted: String,
    },

    /// Root that may not change its user, as in a container without that capability.
    #[error(
        "root may not become `{account}` here ({reason}); \
         allow it (capabilities SETUID and SETGID), or start as `{account}`"
    )]
    CannotDropRoot {
        /// The account.
        account: String,
        /// What the system said.
        reason: String,
    },

    /// `initdb` and peer authentication both look the user up by its number.
    #[error(
        "user id {0} has no entry in /etc/passwd, which Postgres needs; \
         add one, or run under a user that has one"
    )]
    NoPasswdEntry(u32),

    /// No usable server binaries.
    #[error(
        "no Postgres server binaries (version {}) found; looked in {}; \
         install them (Debian, Ubuntu: `apt install postgresql`) or name their directory in the settings",
        wanted.map_or_else(|| format!("{} or newer", crate::binaries::OLDEST), |major| major.to_string()),
        searched.join(", ")
    )]
    NoBinaries {
        /// The major version an existing cluster asks for.
        wanted: Option<u32>,
        /// The places looked at, with the version seen there if there was one.
        searched: Vec<String>,
    },

    /// A directory that should hold a cluster does not.
    #[error(
        "{} is not a complete Postgres cluster (no readable PG_VERSION); \
         move it away to begin anew, or restore it from a backup",
        .0.display()
    )]
    NotACluster(PathBuf),

    /// The files belong to someone else.
    #[error(
        "{path} belongs to `{owner}` but Postgres would run as `{account}`; \
         start as `{owner}`, or run `chown -R {account} {path}`",
        path = path.display()
    )]
    WrongOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: String,
        /// The account Postgres would have.
        account: String,
    },

    /// The account cannot pass through a directory above the data directory.
    #[error(
        "Postgres runs as `{account}`, which may not enter {}; run `chmod o+x {}`, \
         or choose a data directory elsewhere (for example /var/lib/basalt)",
        path.display(), path.display()
    )]
    NotTraversable {
        /// The directory that stops it.
        path: PathBuf,
        /// The account.
        account: String,
    },

    /// Someone else owns the short directory that replaces a too long socket path.
    #[error("{} exists but is not a private directory of `{account}`; remove it", path.display())]
    UnsafeSocketDir {
        /// The directory.
        path: PathBuf,
        /// The account Postgres has.
        account: String,
    },

    /// The system refuses access to a path.
    #[error("no permission to {action} {}; give it to the user that runs this process", path.display())]
    Denied {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// No space.
    #[error("the disk that holds {} is full; free space there and start again", .0.display())]
    DiskFull(PathBuf),

    /// Any other failure of a file operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// `initdb` failed.
    #[error("initdb failed ({status}): {output}")]
    Init {
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },

    /// A setting that Postgres cannot have from us.
    #[error("the Postgres setting `{name}` cannot be given: {reason}")]
    BadSetting {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },

    /// The server ended before it was ready.
    #[error("Postgres stopped while starting ({status}): {log}")]
    Exited {
        /// How it ended.
        status: String,
        /// The last of its log.
        log: String,
    },

    /// The server refuses our own connection.
    #[error("Postgres refuses the connection of its own supervisor ({code}): {message}")]
    Refused {
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
    },

    /// The server neither became ready nor reported progress.
    #[error("Postgres reported no progress for {seconds} s while starting: {log}")]
    TimedOut {
        /// How long was waited since the last sign of life.
        seconds: u64,
        /// The last of its log.
        log: String,
    },

    /// A server left over from an earlier run does not end.
    #[error("an earlier Postgres (process {pid}) still uses {} and does not end; stop it", path.display())]
    Leftover {
        /// Its process id.
        pid: i32,
        /// The cluster it works on.
        path: PathBuf,
    },

    /// `stop` was called, or the runtime ended, before the server was ready.
    #[error("stopped while starting")]
    Interrupted,
}

impl StartError {
    /// Sorts a failed file operation by its cause.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { action, path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            _ => Self::Io { action, path, source },
        }
    }

    /// Whether what a Postgres program printed speaks of a full disk. Its messages are English: we set `lc_messages`.
    pub(crate) fn speaks_of_full_disk(output: &str) -> bool {
        ["No space left on device", "Check free disk space", "Disk quota exceeded"]
            .iter()
            .any(|text| output.contains(text))
    }
}

/// Why [`crate::Cluster::stop`] could not keep its promise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The server survived the fast and the immediate shutdown request. It is never killed: that is left to a human.
    #[error("Postgres (process {pid}) does not end; look at what it waits for before killing it")]
    StillRunning {
        /// Its process id.
        pid: u32,
    },
    /// The task that watches the server is gone, because the runtime is shutting down. The server was told to stop.
    #[error("the runtime ended before Postgres did")]
    Interrupted,
}
