//! The server's log, line by line from its standard error into `tracing` (target `postgres`), and the little of it that
//! is kept: the last lines, for error messages, and when there was the last sign of progress, for patience at start.
//!
//! Refuses to pass on what belongs to the client of a statement alone: its text is not logged at all (`basalt.conf`), and
//! details, which quote values, go no higher than debug.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// `log_line_prefix`: process, SQLSTATE, kind of process.
pub(crate) const PREFIX: &str = "%p|%e|%b|";

/// Longer lines are cut into pieces of this many bytes.
const LINE_MAX: u64 = 16 * 1024;
/// Lines kept for error messages.
const KEPT: usize = 8;
/// "The database system is starting up": the answer to our own question whether it is ready.
const NOT_YET: &str = "57P03";
/// "Terminating connection due to administrator command": every open connection, at every stop.
const SHUTDOWN: &str = "57P01";

/// What is remembered of the log.
#[derive(Debug)]
pub(crate) struct Log(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    tail: VecDeque<String>,
    progress_at: Instant,
}

impl Log {
    pub fn new() -> Self {
        Self(Mutex::new(Memory { tail: VecDeque::with_capacity(KEPT), progress_at: Instant::now() }))
    }

    /// The last lines, for an error message.
    pub fn tail(&self) -> String {
        let memory = self.memory();
        if memory.tail.is_empty() {
            return "it logged nothing".to_owned();
        }
        memory.tail.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// When the server last logged something of its own accord.
    pub fn progress_at(&self) -> Instant {
        self.memory().progress_at
    }

    /// Forwards every line until the server and all its children have closed the pipe.
    pub fn forward(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match from.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.accept(String::from_utf8_lossy(&bytes).trim_end()),
            }
        }
    }

    fn accept(&self, line: &str) {
        let is_continuation = line.starts_with('\t');
        let line = Line::parse(line);
        line.emit();
        if line.sqlstate == NOT_YET || is_continuation {
            return;
        }
        let mut memory = self.memory();
        memory.progress_at = Instant::now();
        if memory.tail.len() == KEPT {
            memory.tail.pop_front();
        }
        let colon = if line.level.is_empty() { "" } else { ": " };
        memory.tail.push_back(format!("{}{colon}{}", line.level, line.text));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The severities and the kinds of lines that follow one.
const LEVELS: [&str; 14] = [
    "PANIC",
    "FATAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "LOG",
    "DEBUG",
    "DETAIL",
    "HINT",
    "CONTEXT",
    "STATEMENT",
    "QUERY",
    "LOCATION",
];

/// One line; the fields are empty where the line does not have them (continuation lines, output before the settings are
/// read, output of other programs).
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    process: &'a str,
    sqlstate: &'a str,
    kind: &'a str,
    level: &'a str,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let bare = Self { process: "", sqlstate: "", kind: "", level: "", text: line.trim() };
        let Some((before, text)) = line.split_once(":  ") else { return bare };
        let Some(level) = LEVELS.into_iter().find(|level| before.ends_with(level)) else { return bare };
        let mut fields = before.split('|');
        match (fields.next(), fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(process), Some(sqlstate), Some(kind), Some(_), None) => {
                Self { process, sqlstate, kind, level, text }
            }
            _ => Self { level, text, ..bare },
        }
    }

    fn emit(&self) {
        let Self { process, sqlstate, kind, level, text } = *self;
        match (level, sqlstate) {
            (_, NOT_YET) => tracing::trace!(target: "postgres", process, sqlstate, kind, "{text}"),
            (_, SHUTDOWN) => tracing::debug!(target: "postgres", process, sqlstate, kind, "{text}"),
            ("PANIC", _) => tracing::error!(target: "postgres", process, sqlstate, kind, "{text}"),
            ("FATAL" | "WARNING", _) => tracing::warn!(target: "postgres", process, sqlstate, kind, "{text}"),
            // A refused statement is its sender's business, and the sender was told.
            ("LOG" | "INFO", _) if kind != "checkpointer" => {
                tracing::info!(target: "postgres", process, sqlstate, kind, "{text}");
            }
            _ => tracing::debug!(target: "postgres", process, sqlstate, kind, "{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: [&str; 5]) {
        let Line { process, sqlstate, kind, level, text } = Line::parse(line);
        assert_eq!([process, sqlstate, kind, level, text], expected, "{line}");
    }

    #[test]
    fn reads_lines() {
        check("12|00000|postmaster|LOG:  ready: yes", ["12", "00000", "postmaster", "LOG", "ready: yes"]);
        check("7|23505|client backend|ERROR:  a|b:  c", ["7", "23505", "client backend", "ERROR", "a|b:  c"]);
        check("2026-11-22 00:00:00.000 UTC [1] FATAL:  no", ["", "", "", "FATAL", "no"]);
        check("\tcontinued | here", ["", "", "", "", "continued | here"]);
        check("\tcontinued:  here", ["", "", "", "", "continued:  here"]);
        check("", ["", "", "", "", ""]);
    }

    #[test]
    fn our_own_questions_are_no_progress() {
        let log = Log::new();
        let before = log.progress_at();
        log.forward(&b"5|57P03|not initialized|FATAL:  the database system is starting up\n"[..]);
        assert_eq!((log.progress_at(), log.tail().as_str()), (before, "it logged nothing"));
        log.forward(&b"5|00000|startup|LOG:  redo in progress"[..]);
        assert!(log.progress_at() > before);
        log.forward(&b"setpriv: no such program\n\tand more"[..]);
        assert_eq!(log.tail(), "LOG: redo in progress; setpriv: no such program");
    }

    #[test]
    fn memory_is_bounded() {
        let log = Log::new();
        log.forward(&vec![b'x'; 1 << 20][..]);
        assert!(log.tail().len() <= KEPT * (LINE_MAX as usize + 4));
    }
}
