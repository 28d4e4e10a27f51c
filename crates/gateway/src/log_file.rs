//! What the server logged last, kept in the data directory for `basalt logs`: one JSON object a line, in two files of
//! which the older goes when the newer is full. So it takes a bounded place, whether or not something collects
//! standard error.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The two files, the older one first.
pub(crate) fn files(data_dir: &Path) -> [PathBuf; 2] {
    let directory = data_dir.join("logs");
    [directory.join("basalt.log.1"), directory.join("basalt.log")]
}

/// Where lines go.
pub(crate) struct LogFile {
    older: PathBuf,
    newer: PathBuf,
    /// Bytes of one of the files.
    limit: u64,
    open: Mutex<Option<Open>>,
}

struct Open {
    file: File,
    size: u64,
}

impl LogFile {
    /// Keeps `keep` bytes in `data_dir`; the files are made with the first line.
    pub(crate) fn new(data_dir: &Path, keep: u64) -> Self {
        let [older, newer] = files(data_dir);
        Self { older, newer, limit: keep / 2, open: Mutex::new(None) }
    }

    fn open(&self) -> io::Result<Open> {
        if let Some(directory) = self.newer.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.newer)?;
        let size = file.metadata()?.len();
        Ok(Open { file, size })
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |open: &Open| open.size > 0 && open.size + line.len() as u64 > self.limit;
        let mut open = match slot.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if is_full(&open) {
            fs::rename(&self.newer, &self.older)?;
            open = self.open()?;
        }
        open.file.write_all(line)?;
        open.size += line.len() as u64;
        *slot = Some(open);
        Ok(())
    }
}

impl Write for &LogFile {
    /// One line. A disk that is full stops nobody: the line went to standard error too.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_stays_within_its_bounds_and_keeps_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::new(dir.path(), 200);
        for n in 0..100 {
            (&log).write_all(format!("line {n:03}\n").as_bytes()).unwrap();
        }
        let [older, newer] = files(dir.path()).map(|path| fs::read_to_string(path).unwrap());
        assert!(older.len() <= 100 && newer.len() <= 100, "{} {}", older.len(), newer.len());
        let lines: Vec<_> = older.lines().chain(newer.lines()).collect();
        assert!(lines.len() >= 11 && lines.last() == Some(&"line 099"), "{lines:?}");
        for path in files(dir.path()) {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn it_goes_on_where_the_last_start_ended() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["one\n", "two\n"] {
            (&LogFile::new(dir.path(), 1000)).write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&files(dir.path())[1]).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_disk_that_takes_nothing_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("logs"), "in the way").unwrap();
        (&LogFile::new(dir.path(), 1000)).write_all(b"lost\n").unwrap();
    }
}
