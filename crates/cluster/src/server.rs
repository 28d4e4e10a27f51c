//! One server from nothing to ready: everything a (re)start does.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::sync::watch;

use crate::{
    Options, StartError, StopError, access,
    account::Account,
    binaries::Binaries,
    init, layout,
    layout::Layout,
    leftover,
    lock::Lock,
    probe::{self, Answer},
    process::Process,
    tune,
};

/// The port of a server without TCP: it only names the socket.
const SOCKET_PORT: u16 = 5432;

/// Between two questions whether it is ready; longer once recovery has to be waited for.
const POLL: Duration = Duration::from_millis(10);
const POLL_SLOW: Duration = Duration::from_millis(100);
const IMPATIENT: Duration = Duration::from_secs(2);
/// Without a new line in the log, and without a word to those who knock.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How often we say that we are still waiting for a server that recovers.
const REMINDER: Duration = Duration::from_secs(30);

/// For a fast shutdown, which ends all sessions and writes a checkpoint.
const FAST: Duration = Duration::from_secs(60);
/// For an immediate one, which leaves the rest to recovery.
const IMMEDIATE: Duration = Duration::from_secs(10);
/// For the last lines of the log after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// All that is needed to start the server, again and again.
#[derive(Debug)]
pub(crate) struct Server {
    account: Account,
    pub binaries: Binaries,
    cluster: PathBuf,
    pub socket_dir: PathBuf,
    tcp: Option<SocketAddr>,
    has_tls: bool,
    lock: Arc<Lock>,
}

impl Server {
    /// Finds the binaries, takes the lock, makes the cluster if there is none and writes its settings. Blocks.
    pub fn prepare(options: &Options) -> Result<Self, StartError> {
        if options.tcp.is_some_and(|address| address.port() == 0) {
            return Err(StartError::BadSetting {
                name: "port".into(),
                reason: "0 is not a port to listen on",
            });
        }
        let account = Account::choose(options.run_as.as_deref())?;
        let data_dir = layout::data_dir(&options.data_dir, &account)?;
        let lock = Arc::new(Lock::take(&data_dir)?);
        let layout = Layout::prepare(&data_dir, &account)?;
        let existing = layout.existing()?;
        let bin_dir = options.bin_dir.as_deref().map(absolute).transpose()?;
        let binaries = Binaries::find(bin_dir.as_deref(), &data_dir, existing, &account)?;
        layout.remove_unfinished();
        if existing.is_none() {
            init::create(&layout, &binaries, &account, options.durable)?;
        }
        let cluster = layout.cluster(binaries.major);
        layout::check_owner(&cluster, &account)?;
        let takes = |setting, value| init::takes(setting, value, &cluster, &binaries, &account);
        let has_lz4 = takes("wal_compression", "lz4");
        let tls = options.tls.as_ref().filter(|_| options.tcp.is_some());
        if tls.is_some() && !takes("ssl", "on") {
            return Err(StartError::BadSetting {
                name: "ssl".into(),
                reason: "this Postgres was built without it",
            });
        }
        if let Some(tls) = tls {
            init::write_tls(&cluster, tls, &account)?;
        }
        let settings = tune::settings(options, &binaries, has_lz4)?;
        init::write(&cluster, init::SETTINGS_FILE, &settings, &account)?;
        init::write(
            &cluster,
            "pg_hba.conf",
            &access::hba(options.tcp, tls.is_some_and(|tls| tls.required)),
            &account,
        )?;
        init::write(&cluster, "pg_ident.conf", &access::ident(&account.trusted()), &account)?;
        let (tcp, has_tls) = (options.tcp, tls.is_some());
        Ok(Self { account, binaries, cluster, socket_dir: layout.socket_dir, tcp, has_tls, lock })
    }

    pub fn port(&self) -> u16 {
        self.tcp.map_or(SOCKET_PORT, |address| address.port())
    }

    /// Starts the server and returns when it is ready. On an error, and when `stop` is asked for, it has ended.
    pub async fn launch(&self, stop: &mut watch::Receiver<bool>) -> Result<Process, StartError> {
        let socket = self.socket();
        tokio::select! {
            cleared = leftover::clear(&self.cluster, &socket) => cleared?,
            () = asked(stop) => return Err(StartError::Interrupted),
        }
        let program = self.binaries.program("postgres");
        let mut command = self.account.command(&program);
        command.args(self.arguments());
        let process = Process::spawn(command, Arc::clone(&self.lock))
            .await
            .map_err(|source| StartError::io("run", &program, source))?;
        let failure = tokio::select! {
            result = self.ready(&process, &socket) => match result {
                Ok(()) => return Ok(process),
                Err(error) => error,
            },
            () = asked(stop) => StartError::Interrupted,
        };
        if let Err(error) = shut_down(&process).await {
            tracing::error!(%error, "Postgres did not start and does not stop");
        }
        Err(failure)
    }

    /// On the command line: what no file and no `alter system` may override.
    fn arguments(&self) -> Vec<OsString> {
        let mut socket_dir = OsString::from("unix_socket_directories=");
        socket_dir.push(self.socket_dir.as_os_str());
        let addresses = self.tcp.map(|address| address.ip().to_string()).unwrap_or_default();
        let mut arguments = vec![OsString::from("-D"), self.cluster.clone().into_os_string()];
        for setting in [
            socket_dir,
            "unix_socket_permissions=0700".into(),
            format!("listen_addresses={addresses}").into(),
            format!("port={}", self.port()).into(),
            format!("ssl={}", if self.has_tls { "on" } else { "off" }).into(),
            format!("ssl_cert_file={}", init::CERTIFICATE_FILE).into(),
            format!("ssl_key_file={}", init::KEY_FILE).into(),
        ] {
            arguments.extend(["-c".into(), setting]);
        }
        arguments
    }

    fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{}", self.port()))
    }

    async fn ready(&self, process: &Process, socket: &Path) -> Result<(), StartError> {
        let begin = Instant::now();
        let (mut heard, mut reminded) = (begin, begin);
        loop {
            let answer = tokio::select! {
                status = process.ended() => return Err(self.died(process, status).await),
                answer = probe::ask(socket) => answer,
            };
            match answer {
                Answer::Ready => return Ok(()),
                Answer::Refused { code, message } => return Err(StartError::Refused { code, message }),
                Answer::NotYet if process.log.progress_at().max(heard).elapsed() > SILENCE_MAX => {
                    return Err(StartError::TimedOut {
                        seconds: SILENCE_MAX.as_secs(),
                        log: process.log.tail(),
                    });
                }
                // The checkpoint at the end of recovery takes as long as the disk takes, without a
                // line in the log; whoever gave up would begin again from the start.
                Answer::Starting => {
                    heard = Instant::now();
                    if reminded.elapsed() > REMINDER {
                        reminded = heard;
                        tracing::info!(seconds = begin.elapsed().as_secs(), "Postgres is still recovering");
                    }
                    tokio::time::sleep(if begin.elapsed() < IMPATIENT { POLL } else { POLL_SLOW }).await;
                }
                Answer::NotYet => {
                    tokio::time::sleep(if begin.elapsed() < IMPATIENT { POLL } else { POLL_SLOW }).await;
                }
            }
        }
    }

    async fn died(&self, process: &Process, status: String) -> StartError {
        process.log_closed(LAST_WORDS).await;
        let log = process.log.tail();
        if StartError::speaks_of_full_disk(&log) {
            return StartError::DiskFull(self.cluster.clone());
        }
        StartError::Exited { status, log }
    }

    /// The cluster's directory.
    pub fn cluster(&self) -> &Path {
        &self.cluster
    }
}

/// Programs are started with `/` as their working directory.
fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path).map_err(|source| StartError::io("find", path, source))
}

/// Returns when a stop is asked for, or can be asked for no more.
pub(crate) async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|asked| *asked).await;
}

/// Fast shutdown, and after a minute immediate shutdown. Never kills: a killed postmaster leaves its children, and a
/// backend that does not end is something to look at.
pub(crate) async fn shut_down(process: &Process) -> Result<(), StopError> {
    for (signal, patience) in [(Signal::SIGINT, FAST), (Signal::SIGQUIT, IMMEDIATE)] {
        process.signal(signal);
        if tokio::time::timeout(patience, process.ended()).await.is_ok() {
            process.log_closed(LAST_WORDS).await;
            return Ok(());
        }
        tracing::warn!(pid = process.pid(), %signal, seconds = patience.as_secs(), "Postgres has not ended");
    }
    Err(StopError::StillRunning { pid: process.pid() })
}
