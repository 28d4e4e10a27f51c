//! Pieces of files, kept until they are put together or given up.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::incoming::ToDisk;
use crate::remote::carry;
use crate::store::{Home, Place, Way};
use crate::{Blob, Error, Incoming, Key, Labels, blocking, incoming};

/// Pieces of files, a directory for each file to be. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where the pieces are: on this machine, wherever the files will be.
    root: PathBuf,
    place: Arc<Place>,
    /// Where the files will be.
    whole: Arc<Place>,
}

/// The directory of one upload's pieces, within its own.
const PIECES: &str = "parts";

impl Parts {
    pub(crate) fn beside(whole: &Arc<Place>) -> Self {
        let drafts = whole.drafts.clone();
        let root = drafts.with_file_name(".parts");
        let (home, partials) = (Home::Disk(root.clone()), whole.partials.clone());
        let place = Place { home, drafts, partials, kept: Mutex::default() };
        Self { root, place: Arc::new(place), whole: Arc::clone(whole) }
    }

    fn key(upload: &str, part: &str) -> Result<Key, Error> {
        Key::new(upload, PIECES, Some(part)).ok_or(Error::Name)
    }

    /// Begins a piece; both names are single segments of a path.
    ///
    /// # Errors
    ///
    /// [`Error::Name`].
    pub fn create(&self, upload: &str, part: &str) -> Result<Incoming, Error> {
        let key = Self::key(upload, part)?;
        Ok(Incoming(Way::Disk(ToDisk::new(Arc::clone(&self.place), self.root.clone(), key))))
    }

    /// Opens a piece.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], or what the file system said.
    pub async fn read(&self, upload: &str, part: &str) -> Result<Blob, Error> {
        let path = Self::key(upload, part)?.file(&self.root);
        blocking(move || Blob::open(fs::File::open(path)?)).await
    }

    /// Puts pieces together, in this order, to a file of its own. Returns its size and when it was written.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if a piece is missing, or what file system or server said.
    pub async fn join(
        &self,
        upload: &str,
        parts: &[String],
        to: Key,
        labels: Labels,
    ) -> Result<(u64, SystemTime), Error> {
        let paths = parts.iter().map(|part| Ok(Self::key(upload, part)?.file(&self.root)));
        let paths = paths.collect::<Result<Vec<_>, Error>>()?;
        let whole = Arc::clone(&self.whole);
        match self.whole.home.clone() {
            Home::Disk(root) => blocking(move || incoming::join(&whole, &root, &paths, &to, &labels)).await,
            Home::Bucket(remote) => {
                Ok((carry(&remote, &whole, paths, &to, labels).await?, SystemTime::now()))
            }
        }
    }

    /// Removes a piece. That there is none is fine.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn remove(&self, upload: &str, part: &str) -> Result<(), Error> {
        let path = Self::key(upload, part)?.file(&self.root);
        blocking(move || missing_is_fine(fs::remove_file(path))).await
    }

    /// Removes all pieces of an upload.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn remove_all(&self, upload: &str) -> Result<(), Error> {
        let directory = Self::key(upload, PIECES)?.file(&self.root);
        let root = self.root.clone();
        blocking(move || {
            // The directory of the upload, which is directly below the root.
            let of_upload = directory.ancestors().find(|path| path.parent() == Some(&root));
            missing_is_fine(fs::remove_dir_all(of_upload.ok_or(Error::Name)?))
        })
        .await
    }

    /// Uploads whose directory has not changed for so long.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn older_than(&self, age: Duration) -> Result<Vec<String>, Error> {
        let root = self.root.clone();
        blocking(move || {
            let entries = match fs::read_dir(root) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut old = Vec::new();
            for entry in entries {
                let entry = entry?;
                let changed = fs::metadata(entry.path().join(PIECES))
                    .or_else(|_| entry.metadata())
                    .and_then(|directory| directory.modified())
                    .unwrap_or(SystemTime::UNIX_EPOCH);
                let is_old = changed.elapsed().is_ok_and(|elapsed| elapsed >= age);
                if let Some(name) = entry.file_name().to_str().filter(|_| is_old) {
                    old.push(name.to_owned());
                }
            }
            Ok(old)
        })
        .await
    }
}

fn missing_is_fine(removed: std::io::Result<()>) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
