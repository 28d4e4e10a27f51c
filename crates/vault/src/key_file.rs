//! The key file, as far as it is written here: while keys are exchanged.
//!
//! One line is the usual state: the key. Two lines are an exchange under way: the new key, then the
//! one it replaces. The file goes on belonging to the operating system account of Postgres, which
//! reads it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kernel::Secret;

/// A key file and the keys in it.
pub(crate) struct KeyFile {
    path: PathBuf,
    /// The key that seals.
    current: Secret,
    /// The key that is being replaced.
    previous: Option<Secret>,
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What the operating system said; `InvalidData` if there are other things in it than one key
    /// or two.
    pub fn read(path: &Path) -> io::Result<Self> {
        // The account of Postgres could put a link in its place.
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let text = Secret::new(fs::read_to_string(path)?);
        let keys: Vec<Secret> = text.expose().split_whitespace().map(Secret::new).collect();
        let is_key =
            |key: &Secret| key.expose().len() == 64 && key.expose().bytes().all(|b| b.is_ascii_hexdigit());
        let (current, previous) = match keys.as_slice() {
            [current] => (current, None),
            [current, previous] => (current, Some(previous)),
            _ => return Err(io::Error::from(io::ErrorKind::InvalidData)),
        };
        if !keys.iter().all(is_key) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok(Self { path: path.to_owned(), current: current.clone(), previous: previous.cloned() })
    }

    /// The key that seals, 64 hex digits.
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// An exchange of keys has begun and not ended.
    pub fn is_changing(&self) -> bool {
        self.previous.is_some()
    }

    /// From now on `fresh` seals, and the key before it opens what it sealed.
    ///
    /// # Errors
    ///
    /// What the operating system said; the file is as it was then.
    pub fn begin(&mut self, fresh: Secret) -> io::Result<()> {
        self.write(&format!("{}\n{}\n", fresh.expose(), self.current.expose()))?;
        self.previous = Some(std::mem::replace(&mut self.current, fresh));
        Ok(())
    }

    /// Forgets the key that was replaced.
    ///
    /// # Errors
    ///
    /// What the operating system said; the file is as it was then.
    pub fn finish(&mut self) -> io::Result<()> {
        self.write(&format!("{}\n", self.current.expose()))?;
        self.previous = None;
        Ok(())
    }

    fn write(&self, content: &str) -> io::Result<()> {
        durable::replace(&self.path, content.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_exchanged_in_two_steps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let (old, new) = ("0".repeat(64), "a".repeat(64));
        fs::write(&path, format!("{old}\n")).unwrap();
        let mut file = KeyFile::read(&path).unwrap();
        assert!(!file.is_changing());
        file.begin(Secret::new(&new)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{new}\n{old}\n"));
        // As after a crash.
        let mut file = KeyFile::read(&path).unwrap();
        assert!(file.is_changing());
        file.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{new}\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn anything_but_keys_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let key = "0".repeat(64);
        for text in ["", "short", &"g".repeat(64), &format!("{key}\n{key}\n{key}"), &format!("{key}\nx")] {
            fs::write(&path, text).unwrap();
            assert!(KeyFile::read(&path).is_err(), "{text}");
        }
        assert!(KeyFile::read(&directory.path().join("none")).is_err());
        fs::write(&path, &key).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(KeyFile::read(&link).is_err());
    }
}
