//! The Postgres that Basalt runs itself: a private cluster below the data directory, reachable over a Unix socket.
//!
//! ```text
//! server      one start, from nothing to ready      supervise   restart after crashes, stop on request
//! layout      directories and their owners          lock        one instance per data directory
//! binaries    which Postgres                        account     which user; how programs are started as it
//! init        initdb, files inside the cluster      access      who may log in
//! tune        settings, sized to the memory         memory      how much there is
//! process     the process: start, signal, wait      log         its log, into `tracing`
//! probe       is it ready?                          leftover    what an earlier run left behind
//! ```
//!
//! It promises: an acknowledged write survives `kill -9` of this process or of the server, the next start needs no help,
//! two instances never work on one data directory, and the server does not outlive this process (on Linux).
//! It refuses to run SQL (that is `db`'s), to delete a cluster, to kill a server with SIGKILL, and to run a cluster with
//! binaries of another major version.
//!
//! Crash of one backend is Postgres' own business: it restarts all sessions, clients see SQLSTATE 57P02 and reconnect.
//!
//! A process that runs as PID 1 and reaps adopted children must not wait for *any* child with a call that also takes the
//! server's status away; that would be reported as "status unknown".
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cluster::{Cluster, Options};
//!
//! let postgres = Cluster::start(Options::new("./basalt-data")).await?;
//! let conninfo = format!(
//!     "host={} port={} user={} dbname={}",
//!     postgres.socket_dir().display(), postgres.port(), postgres.superuser(), postgres.database(),
//! );
//! // … use it …
//! postgres.stop().await?;
//! # Ok(()) }
//! ```

mod access;
mod account;
mod binaries;
mod error;
mod init;
mod layout;
mod leftover;
mod lock;
mod log;
mod memory;
mod probe;
mod process;
mod server;
mod supervise;
mod tune;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::sync::watch;

pub use crate::error::{StartError, StopError};
use crate::server::Server;

/// The bootstrap superuser. It has no password: it logs in over the socket.
pub const SUPERUSER: &str = "supabase_admin";
/// The database initdb makes, and the one the platform lives in.
pub const DATABASE: &str = "postgres";

/// What to run and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lies; made if it is missing.
    pub data_dir: PathBuf,
    /// The directory of the server binaries. None: look for them.
    pub bin_dir: Option<PathBuf>,
    /// The user Postgres runs as when we are root. None: `postgres`, else `basalt`.
    pub run_as: Option<String>,
    /// Also listen on this address, for clients with a password. None: on the socket only.
    pub tcp: Option<SocketAddr>,
    /// What clients over TCP are shown. None: connections over TCP are not encrypted.
    pub tls: Option<Tls>,
    /// Further Postgres settings, by name. They win over ours, not over those in `postgresql.conf` below the include.
    pub extra_settings: Vec<(String, String)>,
    /// False gives up all safety against crashes of the system for speed: throw-away clusters of tests only.
    pub durable: bool,
}

impl Options {
    /// A durable cluster in `data_dir`, without TCP, everything else found by itself.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            run_as: None,
            tcp: None,
            tls: None,
            extra_settings: Vec::new(),
            durable: true,
        }
    }
}

/// A certificate for connections over TCP. Its files are read at every start and stay where they are; the server gets
/// copies, as its account may be another than ours.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate and those it hangs from, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Refuse connections over TCP that are not encrypted.
    pub required: bool,
}

/// How the server is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not ready yet, for the first time.
    Starting,
    /// Ready.
    Running {
        /// The postmaster.
        pid: u32,
    },
    /// It crashed and is being restarted.
    Restarting {
        /// Counts the restarts of the last minute, from 1.
        attempt: u32,
    },
    /// It crashed five times within a minute and was given up.
    Failed {
        /// The last crash, readable; from the server's log, so not for the public.
        reason: String,
    },
    /// It was stopped on request.
    Stopped,
}

/// A running cluster. Dropping it asks the server to stop without waiting; call [`Cluster::stop`].
#[derive(Debug)]
pub struct Cluster {
    socket_dir: PathBuf,
    port: u16,
    bin_dir: PathBuf,
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
}

impl Cluster {
    /// Finds the binaries, locks the data directory, makes the cluster if there is none, starts the server and waits
    /// until it is ready: about a second the first time, a tenth afterwards, longer after a crash with much to recover.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let prepared = tokio::task::spawn_blocking(move || Server::prepare(&options)).await;
        let server = match prepared {
            Ok(server) => server?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(StartError::Interrupted),
            },
        };
        let (stop, mut stop_asked) = watch::channel(false);
        let (state_to, state) = watch::channel(State::Starting);
        let process = server.launch(&mut stop_asked).await?;
        state_to.send_replace(State::Running { pid: process.pid() });
        tracing::info!(
            version = server.binaries.major,
            pid = process.pid(),
            cluster = %server.cluster().display(),
            "Postgres is ready"
        );
        let (socket_dir, port, bin_dir) =
            (server.socket_dir.clone(), server.port(), server.binaries.dir.clone());
        tokio::spawn(supervise::supervise(server, process, state_to, stop_asked));
        Ok(Self { socket_dir, port, bin_dir, state, stop })
    }

    /// The directory of the socket: `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port of a connection, also over the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bootstrap superuser, who logs in over the socket without a password.
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The database that always exists.
    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// The directory of the binaries in use, for `pg_dump` and the like; not every installation has them.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The state and its changes. [`State::Failed`] and [`State::Stopped`] are final.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Stops the server and returns when it has ended: fast shutdown, after a minute immediate shutdown, never SIGKILL.
    /// Calling it again, or after the server was given up, does nothing.
    pub async fn stop(&self) -> Result<(), StopError> {
        self.stop.send_replace(true);
        let mut state = self.state.clone();
        let is_over = |state: &State| matches!(state, State::Stopped | State::Failed { .. });
        let outcome = match state.wait_for(is_over).await {
            Ok(_) => return Ok(()),
            Err(_) => self.state.borrow().clone(),
        };
        match outcome {
            State::Running { pid } if self.is_alive(pid) => Err(StopError::StillRunning { pid }),
            _ => Err(StopError::Interrupted),
        }
    }

    fn is_alive(&self, pid: u32) -> bool {
        i32::try_from(pid)
            .is_ok_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
    }
}
