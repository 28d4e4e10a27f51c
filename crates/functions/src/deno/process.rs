//! One Deno process, which serves one function on a port of this machine that it chooses itself.
//!
//! It may use the network, see its variables, and read the folder of functions and what Deno has downloaded; nothing
//! else of the disk. It answers only to requests with the token it was started with, and ends with us: its standard input
//! closes. What it prints goes to the log.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kernel::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::account::{self, Account};
use super::meter::{self, Limits, Meter};
use crate::error::Error;
use crate::folder::Found;

/// The first start downloads what the function imports.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// Characters of a line in the log.
const LINE: usize = 4 * 1024;
/// What the program below says when it listens, before the port.
const LISTENS: &str = "\u{1e}basalt ";
/// What runs around a function.
const AROUND: &str = include_str!("around.js");

/// What a start needs.
pub(crate) struct Start<'a> {
    pub(crate) deno: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) found: &'a Found,
    pub(crate) work_dir: &'a Path,
    pub(crate) env: Vec<(String, Secret)>,
    pub(crate) limits: Limits,
    /// Who the process is to be, if not who we are.
    pub(crate) account: Option<&'a Account>,
}

/// A process that listens. Dropping it ends it.
pub(crate) struct Process {
    port: u16,
    token: Secret,
    version: u64,
    born: Instant,
    /// Milliseconds from `born` to the last request.
    used: AtomicU64,
    life: Arc<Life>,
}

#[derive(Default)]
struct Life {
    has_ended: AtomicBool,
    end: Notify,
    /// It listens: from now on its time is counted.
    listens: AtomicBool,
    /// Answers that have begun.
    answers: AtomicU64,
    is_over_limit: AtomicBool,
}

impl Process {
    pub(crate) async fn start(start: Start<'_>) -> Result<Self, Error> {
        let boot = |error: std::io::Error| Error::Boot(format!("{}: {error}", start.deno.display()));
        let token = Secret::new(hex(rand::random()));
        let mut child = command(&start, &token).map_err(boot)?.spawn().map_err(boot)?;
        let name: Arc<str> = Arc::from(start.found.name.as_str());
        let (told, port) = oneshot::channel();
        if let Some(output) = child.stdout.take() {
            tokio::spawn(log(output, Arc::clone(&name), Some(told)));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(log(output, Arc::clone(&name), None));
        }
        let life = Arc::new(Life::default());
        tokio::spawn(watch(child, name, Arc::clone(&life), start.limits));
        let mut process = Self {
            port: 0,
            token,
            version: start.found.version,
            born: Instant::now(),
            used: AtomicU64::new(0),
            life,
        };
        // Whatever goes wrong drops the process, which ends it.
        match tokio::time::timeout(UP_WITHIN, port).await {
            Ok(Ok(port)) => {
                process.port = port;
                process.life.listens.store(true, Ordering::Release);
                Ok(process)
            }
            Ok(Err(_)) => {
                let name = &start.found.name;
                let unreachable = match start.account {
                    Some(account) => account.cannot_reach(&[start.deno, &start.found.entry_point]).await,
                    None => None,
                };
                let why = unreachable.unwrap_or_else(|| "ended before it listened".to_owned());
                Err(Error::Boot(format!("{name} {why}")))
            }
            Err(_) => Err(Error::Boot(format!("{} did not listen in time", start.found.name))),
        }
    }

    /// URL without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn token(&self) -> &Secret {
        &self.token
    }

    /// True if it lives, and is of this version.
    pub(crate) fn serves(&self, version: u64) -> bool {
        self.is_alive() && self.version == version
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.life.has_ended.load(Ordering::Acquire)
    }

    /// Somebody asks.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(now, Ordering::Release);
    }

    /// It has answered somebody.
    pub(crate) fn answered(&self) {
        self.life.answers.fetch_add(1, Ordering::AcqRel);
    }

    /// It was ended because it took too much.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.life.is_over_limit.load(Ordering::Acquire)
    }

    /// Since when nobody asked.
    pub(crate) fn idle(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.used.load(Ordering::Acquire)))
    }

    /// Ends it, whoever still holds it.
    pub(crate) fn stop(&self) {
        self.life.has_ended.store(true, Ordering::Release);
        self.life.end.notify_one();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn command(start: &Start<'_>, token: &Secret) -> std::io::Result<Command> {
    std::fs::create_dir_all(start.work_dir)?;
    let work_dir = start.work_dir.canonicalize()?;
    let around = work_dir.join("around.js");
    if std::fs::read_to_string(&around).ok().as_deref() != Some(AROUND) {
        std::fs::write(&around, AROUND)?;
    }
    let cache = match start.account {
        Some(account) => account.own_directory(&work_dir, "deno")?,
        None => work_dir.join("deno"),
    };
    let beside = start.folder.parent().unwrap_or(start.folder);
    let readable: Vec<String> =
        [start.folder, &cache].iter().map(|path| path.display().to_string()).collect();
    let mut command = account::command(start.account, start.deno);
    command.arg("run").args([
        "--quiet",
        "--no-prompt",
        "--no-lock",
        "--allow-env",
        "--allow-net",
        "--allow-sys",
    ]);
    command.arg("--allow-import").arg(format!("--allow-read={}", readable.join(",")));
    command.arg(format!("--v8-flags=--max-old-space-size={}", start.limits.memory / (1024 * 1024)));
    match &start.found.deno_config {
        Some(path) => command.arg("--config").arg(path),
        None => command.arg("--no-config"),
    };
    if let Some(path) = &start.found.import_map {
        command.arg("--import-map").arg(path);
    }
    command.arg(&around).current_dir(beside);
    command.env_clear();
    for (name, value) in &start.env {
        command.env(name, value.expose());
    }
    // The system's certificate authorities, which Deno does not look at by itself.
    command.env("DENO_TLS_CA_STORE", "mozilla,system");
    command.env("DENO_DIR", &cache).env("DENO_NO_UPDATE_CHECK", "1").env("NO_COLOR", "1");
    command.env("SB_EXECUTION_ID", Uuid::new_v4().to_string()).env("SB_REGION", "local");
    command.env("BASALT_TOKEN", token.expose()).env("BASALT_ENTRY_POINT", file_url(&start.found.entry_point));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for the end of a process, or ends it: when it is told to, or when it takes too much. Its standard input stays
/// open until then.
async fn watch(mut child: Child, name: Arc<str>, life: Arc<Life>, limits: Limits) {
    let input = child.stdin.take();
    let mut meter = Meter::new(child.id(), limits);
    let ended = loop {
        tokio::select! {
            status = child.wait() => break status.ok(),
            () = life.end.notified() => break None,
            () = tokio::time::sleep(meter::EVERY) => {}
        }
        let answers = life.answers.load(Ordering::Acquire);
        if let Some(over) = meter.read(life.listens.load(Ordering::Acquire), answers) {
            tracing::warn!(function = %name, "a function's process took too much {over}, and was ended");
            life.is_over_limit.store(true, Ordering::Release);
            break None;
        }
    };
    life.has_ended.store(true, Ordering::Release);
    match ended {
        Some(status) => tracing::warn!(function = %name, %status, "a function's process ended"),
        None => {
            // It is ours alone, and has been told nothing; an error means that it is gone already.
            let _ = child.kill().await;
        }
    }
    drop(input);
}

/// Hands what a process prints on to the log, line by line, and its port to `told`.
async fn log(mut output: impl AsyncRead + Unpin, name: Arc<str>, mut told: Option<oneshot::Sender<u16>>) {
    let mut line = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = match output.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        for byte in part.iter().take(length) {
            if *byte != b'\n' {
                if line.len() < LINE {
                    line.push(*byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            let port = text.strip_prefix(LISTENS).and_then(|port| port.trim().parse().ok());
            match (port, told.take()) {
                // Nobody waits any more: the start was given up.
                (Some(port), Some(told)) => drop(told.send(port)),
                (_, waiting) => {
                    told = waiting;
                    tracing::info!(function = %name, "{text}");
                }
            }
        }
    }
}
