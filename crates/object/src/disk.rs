//! A directory of files.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::{Blob, Error, Incoming, Key, Labels, Parts, announced, blocking, incoming};

/// Drafts older than this belong to nobody any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Files below a directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Place>);

#[derive(Debug)]
pub(crate) struct Place {
    /// Above the buckets.
    pub(crate) root: PathBuf,
    /// On the same file system, where no bucket can be.
    pub(crate) drafts: PathBuf,
    /// Likewise, for files that come in several requests.
    pub(crate) partials: PathBuf,
    /// Files that need not be announced any more.
    pub(crate) kept: Mutex<Vec<Key>>,
}

impl Disk {
    /// The files of `directory`/`within`, where `within` is a relative path (the original's bucket and
    /// tenant). Drafts are kept beside its first part. Both are made if need be.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub fn open(directory: &Path, within: &Path) -> Result<Self, Error> {
        let place = Place {
            root: directory.join(within),
            drafts: directory.join(".incoming"),
            partials: directory.join(".resumable"),
            kept: Mutex::default(),
        };
        for path in [&place.root, &place.drafts, &place.partials] {
            make_directory(path)?;
        }
        Ok(Self(Arc::new(place)))
    }

    pub(crate) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.0)
    }

    /// Begins a file.
    #[must_use]
    pub fn create(&self, key: Key) -> Incoming {
        Incoming::new(Arc::clone(&self.0), key)
    }

    /// Where pieces of files are kept until they are put together.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts::beside(&self.0)
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], or what the file system said.
    pub async fn read(&self, key: &Key) -> Result<Blob, Error> {
        let path = key.file(&self.0.root);
        blocking(move || Blob::open(File::open(path)?)).await
    }

    /// Copies a file; the two are independent from then on. Returns when the copy was written.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub async fn copy(&self, from: &Key, to: Key, labels: Labels) -> Result<SystemTime, Error> {
        let (place, from) = (Arc::clone(&self.0), from.file(&self.0.root));
        blocking(move || incoming::copy(&place, &from, &to, &labels)).await
    }

    /// Gives a file a second key, for when the first one goes. Costs no copy where the file system can
    /// link.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub async fn link(&self, from: &Key, to: Key, labels: Labels) -> Result<(), Error> {
        let (place, from) = (Arc::clone(&self.0), from.file(&self.0.root));
        blocking(move || incoming::link(&place, &from, &to, &labels)).await
    }

    /// Removes a file, and the directories that it leaves empty. That there is none is fine.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn remove(&self, key: &Key) -> Result<(), Error> {
        let (place, key) = (Arc::clone(&self.0), key.clone());
        blocking(move || {
            remove(&place, &key.file(&place.root))?;
            announced::withdraw(&place, &key);
            Ok(())
        })
        .await
    }

    /// Removes drafts that a process left behind when it ended. Returns how many.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let place = Arc::clone(&self.0);
        blocking(move || {
            let mut gone = 0;
            for entry in fs::read_dir(&place.drafts)? {
                let entry = entry?;
                if announced::is_one(&entry.path()) {
                    continue;
                }
                let age = entry.metadata().ok().and_then(|file| file.modified().ok()?.elapsed().ok());
                if age.is_some_and(|age| age > ABANDONED) && fs::remove_file(entry.path()).is_ok() {
                    gone += 1;
                }
            }
            Ok(gone)
        })
        .await
    }
}

fn remove(place: &Place, path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) => match Error::from(error) {
            // A directory where the file should be is another object's.
            Error::NotFound | Error::Name => return Ok(()),
            error => return Err(error),
        },
    }
    let mut directory = path.parent();
    while let Some(empty) = directory.filter(|path| *path != place.root && path.starts_with(&place.root)) {
        if fs::remove_dir(empty).is_err() {
            break;
        }
        directory = empty.parent();
    }
    Ok(())
}

/// Makes a directory and those above it, durably.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    let mut made = Made::default();
    made.directory(path)?;
    made.force()
}

/// Directories that have new names in them.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and those above it.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return if path.is_dir() { Ok(()) } else { Err(Error::Name) };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = path.parent().ok_or(Error::NotFound)?;
                self.directory(above)?;
                // Somebody who tidies up may have been quicker; the caller tries again.
                match DirBuilder::new().mode(0o700).create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    made => made?,
                }
            }
            Err(error) => return Err(error.into()),
        }
        path.parent().into_iter().for_each(|above| self.name_in(above));
        Ok(())
    }

    /// Notes that a directory has a new name in it.
    pub(crate) fn name_in(&mut self, directory: &Path) {
        self.0.push(directory.to_owned());
    }

    /// Forces the names to disk.
    pub(crate) fn force(&self) -> Result<(), Error> {
        self.0.iter().try_for_each(|directory| sync_directory(directory))
    }
}

/// Forces the names in a directory to disk. One that has just been tidied away needs none.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    match File::open(path) {
        Ok(directory) => Ok(directory.sync_all()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
