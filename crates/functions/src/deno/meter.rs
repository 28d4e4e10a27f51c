//! What a process takes of the machine, read from `/proc`.
//!
//! Processor time counts from the last moment at which the process waited for something, or had answered somebody: a
//! function in an endless loop does neither, however little of a busy machine it gets; one with much to do does both.
//! Of memory, what the process has made itself counts: buffers too, which the bound on JavaScript's own memory leaves out.

use std::fmt;
use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// How often a process is looked at.
pub(super) const EVERY: Duration = Duration::from_millis(250);
/// What Deno needs beside the memory for JavaScript.
const BESIDE: u64 = 128 * 1024 * 1024;

/// What one process may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes for JavaScript.
    pub(crate) memory: u64,
    pub(crate) cpu: Duration,
}

/// What it took too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Memory,
    Cpu,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory (functions.max_memory)",
            Self::Cpu => "processor time (functions.max_cpu)",
        })
    }
}

/// What was seen of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Its first thread, which runs JavaScript, runs or wants to.
    is_busy: bool,
    cpu: Duration,
    /// Bytes.
    memory: u64,
}

/// Looks at one process again and again.
pub(super) struct Meter {
    pid: Option<u32>,
    limits: Limits,
    /// Processor time at its last rest or answer.
    since: Duration,
    answers: u64,
}

impl Meter {
    /// Without a process id the process is gone already.
    pub(super) fn new(pid: Option<u32>, limits: Limits) -> Self {
        Self { pid, limits, since: Duration::ZERO, answers: 0 }
    }

    /// Looks. `listens`: it has come up; what that took is not counted.
    pub(super) fn read(&mut self, listens: bool, answers: u64) -> Option<Over> {
        let seen = seen(self.pid?)?;
        self.judge(seen, listens, answers)
    }

    fn judge(&mut self, seen: Seen, listens: bool, answers: u64) -> Option<Over> {
        if !listens || !seen.is_busy || answers != self.answers {
            (self.since, self.answers) = (seen.cpu, answers);
        }
        if seen.memory > self.limits.memory.saturating_add(BESIDE) {
            return Some(Over::Memory);
        }
        (seen.cpu.saturating_sub(self.since) > self.limits.cpu).then_some(Over::Cpu)
    }
}

/// None where there is no such process, or no `/proc`.
fn seen(pid: u32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok())?;
    parsed(&stat, &status, ticks)
}

fn parsed(stat: &str, status: &str, ticks: u64) -> Option<Seen> {
    // The name of the program is in parentheses and may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_busy = fields.next()? == "R";
    // Fields 14 and 15 of proc(5): ticks in the program and for it in the kernel.
    let mut times = fields.skip(10).map_while(|field| field.parse::<u64>().ok());
    let used = times.next()?.checked_add(times.next()?)?;
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = memory.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let cpu = Duration::from_millis(used.checked_mul(1000)?.checked_div(ticks)?);
    Some(Seen { is_busy, cpu, memory: kilobytes.checked_mul(1024)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LIMITS: Limits = Limits { memory: 256 * 1024 * 1024, cpu: Duration::from_secs(2) };

    fn at(is_busy: bool, seconds: u64) -> Seen {
        Seen { is_busy, cpu: Duration::from_secs(seconds), memory: 50 * 1024 * 1024 }
    }

    #[test]
    fn what_proc_says() {
        let stat = "42 (de) no R) R 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 100 0 0";
        let status = "Name:\tdeno\nRssAnon:\t    2048 kB\nRssFile:\t 9 kB\n";
        let expected = Seen { is_busy: true, cpu: Duration::from_secs(2), memory: 2 * 1024 * 1024 };
        assert_eq!(parsed(stat, status, 100), Some(expected));
        assert_eq!(parsed("", "", 100), None);
        assert!(seen(std::process::id()).unwrap().memory > 0);
    }

    #[test]
    fn who_never_rests_is_ended() {
        let mut meter = Meter::new(None, LIMITS);
        assert_eq!(meter.judge(at(true, 9), false, 0), None, "coming up is not counted");
        assert_eq!(meter.judge(at(true, 10), true, 0), None);
        assert_eq!(meter.judge(at(true, 12), true, 0), Some(Over::Cpu));
    }

    #[test]
    fn who_rests_or_answers_goes_on() {
        let mut meter = Meter::new(None, LIMITS);
        for second in 0..100 {
            assert_eq!(meter.judge(at(second % 2 == 0, second), true, 0), None);
        }
        for second in 100..200 {
            assert_eq!(meter.judge(at(true, second), true, second), None);
        }
        assert_eq!(meter.judge(at(true, 202), true, 199), Some(Over::Cpu));
    }

    #[test]
    fn memory_of_any_kind_counts() {
        let mut meter = Meter::new(None, LIMITS);
        let seen = Seen { memory: 385 * 1024 * 1024, ..at(false, 0) };
        assert_eq!(meter.judge(seen, true, 0), Some(Over::Memory));
    }
}
