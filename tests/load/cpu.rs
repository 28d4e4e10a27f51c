//! CPU time and memory of processes, from `/proc`.

use std::fs;
use std::time::Duration;

use super::server::Basalt;

/// CPU time used so far.
pub struct Cpu {
    /// Of the server.
    pub basalt: Duration,
    /// Of its Postgres, with all backends that run.
    pub postgres: Duration,
}

impl Cpu {
    /// So far.
    #[must_use]
    pub fn of(basalt: &Basalt) -> Self {
        let postmaster = basalt.postmaster();
        let backends = children(postmaster).into_iter().map(on_cpu).sum::<Duration>();
        Self { basalt: on_cpu(basalt.pid()), postgres: on_cpu(postmaster) + backends }
    }

    /// What was used after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            basalt: self.basalt.saturating_sub(before.basalt),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

/// CPU time that this process used so far.
#[must_use]
pub fn own() -> Duration {
    on_cpu(std::process::id())
}

/// Time that the threads of a process spent running, to the nanosecond.
fn on_cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// CPU time of the children that a process has waited for, in ticks of 10 ms.
#[must_use]
pub fn of_ended_children(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold spaces; the two fields are the 14th and 15th behind it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Processes whose parent is `parent`.
#[must_use]
pub fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| field(*pid, "PPid:") == Some(u64::from(parent))).collect()
}

/// Resident memory in kB.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    field(pid, "VmRSS:").unwrap_or(0)
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
