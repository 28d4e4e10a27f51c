//! What an earlier server of this cluster left behind, dealt with before a new one starts.
//!
//! Called with the data directory locked, so whatever still works on the cluster has lost its supervisor: a postmaster
//! that is told to stop (it may already be at it, see [`crate::account`]), or the children of a postmaster that was
//! killed, which leave by themselves unless they are busy computing; Postgres refuses to start beside them. They are
//! asked to quit and the new server recovers from the log, as after any crash.
//!
//! Postgres itself copes with a stale `postmaster.pid` unless its number now belongs to another process of the same
//! user, which is usual in containers, where numbers repeat, or the file is empty, as a power cut can leave it. Such a
//! file is removed. One with the number of no process stays: Postgres learns from it which shared memory to look at.
//! The socket has a lock file of the same kind, without that use; it goes in any case.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::StartError;

const POLL: Duration = Duration::from_millis(20);
/// Children of a dead postmaster notice within milliseconds.
const GRACE: Duration = Duration::from_secs(1);
/// A fast shutdown writes a checkpoint; as long as [`crate::Cluster::stop`] gives it.
const FAST: Duration = Duration::from_secs(60);
const GIVE_UP: Duration = Duration::from_secs(75);

/// Returns when nothing works on `cluster` any more and no file stands in the way of a new server.
pub(crate) async fn clear(cluster: &Path, socket: &Path) -> Result<(), StartError> {
    let pid_file = cluster.join("postmaster.pid");
    end_processes(cluster, recorded(&pid_file)).await?;
    if recorded(&pid_file).is_none_or(|pid| Path::new("/proc").join(pid.to_string()).exists()) {
        remove(&pid_file)?;
    }
    remove(socket)?;
    let mut lock = socket.as_os_str().to_owned();
    lock.push(".lock");
    remove(Path::new(&lock))
}

async fn end_processes(cluster: &Path, postmaster: Option<i32>) -> Result<(), StartError> {
    let begin = Instant::now();
    // Signals sent so far: none, fast shutdown, immediate shutdown.
    let mut sent = 0;
    loop {
        let alive = at_work(cluster);
        let Some(first) = alive.first().copied() else { return Ok(()) };
        let waited = begin.elapsed();
        let postmaster = postmaster.filter(|pid| alive.contains(pid));
        match postmaster {
            Some(pid) if sent == 0 => {
                tracing::warn!(pid, "stopping a Postgres that an earlier run left behind");
                send(pid, Signal::SIGINT);
                sent = 1;
            }
            Some(pid) if sent == 1 && waited > FAST => {
                send(pid, Signal::SIGQUIT);
                sent = 2;
            }
            None if sent < 2 && waited > GRACE => {
                alive.iter().for_each(|pid| send(*pid, Signal::SIGQUIT));
                sent = 2;
            }
            _ if waited > GIVE_UP => {
                return Err(StartError::Leftover { pid: first, path: cluster.to_path_buf() });
            }
            _ => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

fn remove(file: &Path) -> Result<(), StartError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StartError::io("remove", file, error)),
        _ => Ok(()),
    }
}

/// The process named by `postmaster.pid`: its first line.
fn recorded(pid_file: &Path) -> Option<i32> {
    fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()
}

/// Postgres processes whose working directory is the cluster; every one of them has it there. Empty where there is no
/// `/proc`.
fn at_work(cluster: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // An upgraded package leaves "postgres (deleted)".
            let program = fs::read_link(entry.path().join("exe")).ok()?;
            let is_postgres = program.file_name()?.to_str()?.split(' ').next() == Some("postgres");
            (is_postgres && fs::read_link(entry.path().join("cwd")).ok()? == cluster).then_some(pid)
        })
        .collect()
}

/// A process that has ended meanwhile is what we want.
fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}
