//! Renditions on disk. A file belongs to one version of one object, whose content never changes: what is
//! here is right for ever, and an object that is overwritten has another version. Nothing here is
//! needed: what is missing is made again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use object::Key;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::options::{Output, Plan};

/// A file that is used is marked so once in this time; the rest is thrown away in the order of marks.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// What a rendition is of, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    directory: String,
    file: String,
}

impl Name {
    pub(crate) fn of(key: &Key, plan: &Plan, output: Output) -> Self {
        Self { directory: directory(key), file: digest(format!("{plan:?} {output:?}").as_bytes()) }
    }
}

/// All of one version of one object.
fn directory(key: &Key) -> String {
    digest(format!("{key:?}").as_bytes())
}

fn digest(bytes: &[u8]) -> String {
    let mut text = hex::encode(Sha256::digest(bytes));
    text.truncate(40);
    text
}

/// A directory of renditions that holds so many bytes.
pub(crate) struct Cache {
    root: PathBuf,
    most: u64,
    /// Bytes that are there, once they have been counted.
    used: Mutex<Option<u64>>,
}

struct Entry {
    path: PathBuf,
    size: u64,
    used_at: SystemTime,
}

impl Cache {
    pub(crate) fn new(root: PathBuf, most: u64) -> Self {
        Self { root, most, used: Mutex::new(None) }
    }

    fn place(&self, directory: &str) -> PathBuf {
        self.root.join(directory.get(..2).unwrap_or_default()).join(directory)
    }

    /// What was kept under a name.
    pub(crate) fn get(&self, name: &Name) -> Option<Vec<u8>> {
        let path = self.place(&name.directory).join(&name.file);
        let bytes = fs::read(&path).ok()?;
        let file = File::options().append(true).open(&path).ok()?;
        let age = file.metadata().ok()?.modified().ok()?.elapsed().unwrap_or_default();
        if age > FRESH {
            // If it cannot be marked it is thrown away earlier, no more.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(bytes)
    }

    /// Keeps a rendition, and throws away others that nobody has asked for the longest.
    pub(crate) fn put(&self, name: &Name, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        if size > self.most {
            return Ok(());
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *used {
            Some(used) => used,
            None => self.entries()?.iter().map(|entry| entry.size).sum(),
        };
        let directory = self.place(&name.directory);
        fs::create_dir_all(&directory)?;
        let draft = self.root.join(format!(".{}", Uuid::new_v4()));
        let written = write(&draft, bytes).and_then(|()| fs::rename(&draft, directory.join(&name.file)));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        let mut now = before + size;
        if now > self.most {
            now = self.shrink()?;
        }
        *used = Some(now);
        Ok(())
    }

    /// Throws away all of one version of an object.
    pub(crate) fn forget(&self, key: &Key) {
        let directory = self.place(&directory(key));
        if directory.exists() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = fs::remove_dir_all(&directory);
            // Counted anew by whoever keeps something next.
            *used = None;
        }
    }

    #[cfg(test)]
    fn sizes(&self) -> u64 {
        self.entries().map(|entries| entries.iter().map(|entry| entry.size).sum()).unwrap_or_default()
    }

    /// Leaves nine tenths. Returns the bytes that are left.
    fn shrink(&self) -> io::Result<u64> {
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| entry.used_at);
        let mut left: u64 = entries.iter().map(|entry| entry.size).sum();
        for entry in entries {
            if left <= self.most / 10 * 9 {
                break;
            }
            fs::remove_file(&entry.path)?;
            left -= entry.size;
            if let Some(directory) = entry.path.parent() {
                // Goes only if it is empty.
                let _ = fs::remove_dir(directory);
            }
        }
        Ok(left)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for first in directories(&self.root)? {
            for second in directories(&first)? {
                for file in fs::read_dir(second)? {
                    let file = file?;
                    let Ok(metadata) = file.metadata() else { continue };
                    let used_at = metadata.modified()?;
                    entries.push(Entry { path: file.path(), size: metadata.len(), used_at });
                }
            }
        }
        Ok(entries)
    }
}

/// The directories in a directory. Files in the topmost one are drafts: those that a process left behind
/// when it ended are removed.
fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let listed = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        listed => listed?,
    };
    for entry in listed {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            found.push(entry.path());
        } else if metadata.modified()?.elapsed().unwrap_or_default() > FRESH {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(found)
}

/// Forced to disk: a file that has its name has its bytes.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Images;
    use crate::render::options::Options;

    fn key(version: &str) -> Key {
        Key::new("b", "a.png", Some(version)).unwrap()
    }

    fn name(version: &str, width: u32) -> Name {
        let options = Options { width: Some(width), ..Options::default() };
        Name::of(&key(version), &options.plan(&Images::default()), Output::Own)
    }

    #[test]
    fn names_differ_where_pictures_do() {
        assert_eq!(name("1", 10), name("1", 10));
        assert_ne!(name("1", 10), name("1", 11));
        assert_ne!(name("1", 10), name("2", 10));
    }

    #[test]
    fn what_nobody_asks_for_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("c"), 1000);
        assert_eq!(cache.get(&name("1", 1)), None);
        for width in 1..=3 {
            cache.put(&name("1", width), &[7; 300]).unwrap();
        }
        let age = |width: u32, hours: u64| {
            let name = name("1", width);
            let file =
                File::options().append(true).open(cache.place(&name.directory).join(&name.file)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        };
        age(1, 3);
        age(2, 2);
        // The oldest has just been used.
        assert_eq!(cache.get(&name("1", 1)), Some(vec![7; 300]));
        cache.put(&name("2", 1), &[8; 300]).unwrap();
        assert_eq!(cache.get(&name("1", 2)), None);
        assert!(cache.get(&name("1", 1)).is_some() && cache.get(&name("2", 1)).is_some());
        assert_eq!(cache.sizes(), 900);
        cache.put(&name("2", 2), &[8; 1001]).unwrap();
        assert_eq!(cache.get(&name("2", 2)), None);
        // Another process finds what this one kept, and counts it.
        let again = Cache::new(directory.path().join("c"), 1000);
        again.put(&name("3", 1), &[9; 300]).unwrap();
        assert!(again.sizes() <= 900, "{}", again.sizes());
        again.forget(&key("1"));
        assert_eq!(again.get(&name("1", 1)), None);
        assert!(again.get(&name("3", 1)).is_some());
    }
}
