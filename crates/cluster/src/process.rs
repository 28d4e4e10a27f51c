//! The server's process: started, signalled and waited for without races.
//!
//! One thread starts the server and stays until it has ended. It must be that one thread: the request to be interrupted
//! when the parent dies (see [`crate::account`]) is tied to the *thread* that forked, so a thread of a pool would take
//! the server down whenever the pool shrinks. A second thread forwards the log; it may end later, as children hold the
//! pipe too.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::sync::{oneshot, watch};

use crate::{lock::Lock, log::Log};

/// A started server. Dropping it asks the server to stop, without waiting.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    /// Empty once the process has been reaped and its id may belong to somebody else.
    target: Arc<Mutex<Option<Pid>>>,
    ended: watch::Receiver<Option<String>>,
    log_closed: watch::Receiver<bool>,
    pub log: Arc<Log>,
}

impl Process {
    /// Starts `command`. The lock is kept until the process has ended, even if nobody waits for that any more.
    pub async fn spawn(mut command: Command, lock: Arc<Lock>) -> io::Result<Self> {
        let log = Arc::new(Log::new());
        let target = Arc::new(Mutex::new(None));
        let (started_to, started) = oneshot::channel();
        let (ended_to, ended) = watch::channel(None);
        let (log_closed_to, log_closed) = watch::channel(false);
        let thread_log = Arc::clone(&log);
        let thread_target = Arc::clone(&target);
        thread::Builder::new().name("postgres".into()).spawn(move || {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = started_to.send(Err(error));
                    return;
                }
            };
            let pid = pid_of(&child);
            *locked(&thread_target) = Some(pid);
            let pipe = child.stderr.take();
            // Without a thread for the log the pipe closes, and the server logs into nothing.
            let _ = thread::Builder::new().name("postgres-log".into()).spawn(move || {
                if let Some(pipe) = pipe {
                    thread_log.forward(pipe);
                }
                log_closed_to.send_replace(true);
            });
            if started_to.send(Ok(child.id())).is_err() {
                // Whoever asked for it is gone.
                let _ = kill(pid, Signal::SIGINT);
            }
            let status = wait(&mut child, pid, &thread_target);
            drop(lock);
            ended_to.send_replace(Some(status));
        })?;
        let pid = started.await.map_err(|_| io::Error::other("the thread that starts Postgres ended"))??;
        Ok(Self { pid, target, ended, log_closed, log })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = *locked(&self.target)
            && let Err(error) = kill(pid, signal)
        {
            tracing::warn!(pid = pid.as_raw(), %signal, %error, "cannot signal Postgres");
        }
    }

    /// Waits for the end and says how it was. Safe to cancel and to ask again.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.map(|status| status.clone());
        status.ok().flatten().unwrap_or_else(|| "ended unobserved".to_owned())
    }

    /// Waits, not for ever, until the last line of the log is read; all children have then ended too.
    pub async fn log_closed(&self, patience: Duration) {
        let mut closed = self.log_closed.clone();
        let _ = tokio::time::timeout(patience, closed.wait_for(|closed| *closed)).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}

/// Waits for the end first and reaps after, so that a signal is never sent to an id that has been given away.
fn wait(child: &mut Child, pid: Pid, target: &Mutex<Option<Pid>>) -> String {
    while let Err(Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
    let mut target = locked(target);
    *target = None;
    child.wait().map_or_else(|error| format!("status unknown: {error}"), describe)
}

fn describe(status: ExitStatus) -> String {
    match status.signal().map(Signal::try_from) {
        Some(Ok(signal)) => format!("killed by {signal}"),
        _ => status.to_string(),
    }
}

fn pid_of(child: &Child) -> Pid {
    // Process ids are positive and far below the limit of the signed type that the system calls take.
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn locked(target: &Mutex<Option<Pid>>) -> MutexGuard<'_, Option<Pid>> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}
