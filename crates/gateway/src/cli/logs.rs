//! `basalt logs`

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::{Failure, Format, Place, print};
use crate::log_file;

/// Show what the server has logged last.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Logs {
    /// How many lines of before.
    #[arg(short = 'n', long, value_name = "N", default_value = "100")]
    lines: usize,
    /// Go on with what is logged from now on.
    #[arg(short, long)]
    follow: bool,
    /// Only what is at least this grave.
    #[arg(long, default_value = "trace")]
    level: Level,
    /// Only lines that hold this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    #[command(flatten)]
    place: Place,
    /// For people or for programs: one JSON object a line.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

const AFTER_HELP: &str = "\
Examples:
  basalt logs -f
  basalt logs --level warn -n 1000
  basalt logs --search 0199e3a2-… -o json            everything about one request

The last `log.keep` bytes are kept in the data directory (16 MiB unless set otherwise); what is logged at
all says `log.level`. The server writes the same to standard error, where systemd or docker find it.";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How often a file is looked at that is followed.
const PAUSE: Duration = Duration::from_millis(250);

impl Logs {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.place.installation()?;
        let [older, newer] = log_file::files(&self.place.data_dir);
        let mut last = VecDeque::new();
        let mut keep = |line: String| {
            if self.is_wanted(&line) {
                last.push_back(line);
                if last.len() > self.lines {
                    last.pop_front();
                }
            }
        };
        Tail::default().read(&older, &mut keep)?;
        let mut tail = Tail::default();
        tail.read(&newer, &mut keep)?;
        last.iter().try_for_each(|line| self.show(line))?;
        if !self.follow {
            return Ok(());
        }
        loop {
            std::thread::sleep(PAUSE);
            let mut fresh = Vec::new();
            tail.read(&newer, &mut |line| fresh.push(line))?;
            fresh.iter().filter(|line| self.is_wanted(line)).try_for_each(|line| self.show(line))?;
        }
    }

    fn is_wanted(&self, line: &str) -> bool {
        line.contains(&self.search) && level(line) >= self.level
    }

    fn show(&self, line: &str) -> Result<(), Failure> {
        match self.output {
            Format::Json => print(&line),
            Format::Pretty => print(&pretty(line)),
        }
    }
}

/// How far a file was read.
#[derive(Default)]
struct Tail {
    file: Option<(u64, BufReader<File>)>,
    /// A line that is still being written.
    rest: String,
}

impl Tail {
    /// Hands on the whole lines that came since; a file that another took the place of is read to its end first.
    fn read(&mut self, path: &Path, line: &mut impl FnMut(String)) -> Result<(), Failure> {
        let present = match File::open(path) {
            Ok(file) => Some((file.metadata()?.ino(), file)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        self.drain(line)?;
        let Some((inode, file)) = present else { return Ok(()) };
        if self.file.as_ref().map(|(inode, _)| *inode) != Some(inode) {
            self.file = Some((inode, BufReader::new(file)));
            self.rest.clear();
            self.drain(line)?;
        }
        Ok(())
    }

    fn drain(&mut self, line: &mut impl FnMut(String)) -> Result<(), Failure> {
        let Some((_, reader)) = &mut self.file else { return Ok(()) };
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            self.rest.push_str(&String::from_utf8_lossy(&bytes));
            bytes.clear();
            if self.rest.ends_with('\n') {
                self.rest.pop();
                line(std::mem::take(&mut self.rest));
            }
        }
        Ok(())
    }
}

fn level(line: &str) -> Level {
    let parsed: Value = serde_json::from_str(line).unwrap_or_default();
    match parsed["level"].as_str() {
        Some("TRACE") => Level::Trace,
        Some("DEBUG") => Level::Debug,
        Some("WARN") => Level::Warn,
        Some("ERROR") => Level::Error,
        _ => Level::Info,
    }
}

/// Time, level, message, and the rest as `name=value`. What is no JSON is shown as it is.
fn pretty(line: &str) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(line) else { return line.to_owned() };
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let mut text = format!("{}  {:5}  {}", take("timestamp"), take("level"), take("message"));
    take("target");
    for (name, value) in &fields {
        match value.as_str() {
            Some(plain) => text.push_str(&format!("  {name}={plain}")),
            None => text.push_str(&format!("  {name}={value}")),
        }
    }
    // A terminal must not obey what somebody sent.
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_for_people() {
        let line = r#"{"timestamp":"2026-01-02T03:04:05Z","level":"WARN","message":"too \u001b[31m slow","target":"rest","status":408,"method":"GET"}"#;
        assert_eq!(
            pretty(line),
            "2026-01-02T03:04:05Z  WARN   too \u{fffd}[31m slow  method=GET  status=408"
        );
        assert_eq!(pretty("no JSON"), "no JSON");
        assert!(level(line) == Level::Warn && level("no JSON") == Level::Info);
    }

    #[test]
    fn a_file_is_followed_past_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::default();
        let mut read = || {
            let mut lines = Vec::new();
            tail.read(&path, &mut |line| lines.push(line)).unwrap();
            lines
        };
        assert!(read().is_empty(), "not there yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(read(), ["one"]);
        file.write_all(b"o\n").unwrap();
        assert_eq!(read(), ["two"]);
        file.write_all(b"three\n").unwrap();
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(read(), ["three", "four"]);
    }
}
