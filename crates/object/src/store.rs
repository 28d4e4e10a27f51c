//! All files of objects, wherever they are kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::disk::{self, make_directory};
use crate::incoming::ToDisk;
use crate::remote::begun::{self, is_note};
use crate::remote::{Bucket, Remote, ToBucket};
use crate::{Blob, Error, Extent, Key, Labels, Parts, Stored, announced, blocking, incoming};

/// Drafts older than this belong to nobody any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Files of objects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Place>);

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) home: Home,
    /// On this machine; on the same file system as the root, where no bucket can be.
    pub(crate) drafts: PathBuf,
    /// Likewise, for files that come in several requests.
    pub(crate) partials: PathBuf,
    /// Files that need not be announced any more.
    pub(crate) kept: Mutex<Vec<Key>>,
}

/// Where files are kept in the end.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// Below this directory, which is above the buckets.
    Disk(PathBuf),
    /// In a bucket of an S3 server.
    Bucket(Remote),
}

impl Place {
    pub(crate) fn new(directory: &Path, home: Home) -> Result<Self, Error> {
        let (drafts, partials) = (directory.join(".incoming"), directory.join(".resumable"));
        if let Home::Disk(root) = &home {
            make_directory(root)?;
        }
        for path in [&drafts, &partials] {
            make_directory(path)?;
        }
        Ok(Self { home, drafts, partials, kept: Mutex::default() })
    }
}

impl Store {
    /// Files that are kept in `directory`/`within`, where `within` is a relative path (the original's
    /// bucket and tenant). Drafts are kept beside its first part. Both are made if need be.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub fn on_disk(directory: &Path, within: &Path) -> Result<Self, Error> {
        Ok(Self(Arc::new(Place::new(directory, Home::Disk(directory.join(within)))?)))
    }

    /// Files that a bucket of an S3 server keeps. `directory` has those that are on their way there.
    ///
    /// # Errors
    ///
    /// What the file system said, or [`Error::Refused`] if there can be no such bucket. Whether the
    /// server answers is not asked: see [`Store::greet`].
    pub fn in_bucket(directory: &Path, bucket: &Bucket) -> Result<Self, Error> {
        Ok(Self(Arc::new(Place::new(directory, Home::Bucket(Remote::new(bucket)?))?)))
    }

    pub(crate) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.0)
    }

    /// Begins a file. The labels are what is known of it so far; a bucket can be told no better ones once
    /// the file is under way.
    #[must_use]
    pub fn create(&self, key: Key, labels: Labels) -> Incoming {
        match &self.0.home {
            Home::Disk(root) => Incoming(Way::Disk(ToDisk::new(self.place(), root.clone(), key))),
            Home::Bucket(remote) => {
                Incoming(Way::Bucket(Box::new(ToBucket::new(self.place(), remote.clone(), key, labels))))
            }
        }
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
    /// [`Error::NotFound`], or what file system or server said.
    pub async fn read(&self, key: &Key) -> Result<Blob, Error> {
        self.read_part(key, Extent::Whole).await
    }

    /// Opens a file for what will probably be read of it. Anything else can be read too.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn read_part(&self, key: &Key, extent: Extent) -> Result<Blob, Error> {
        match &self.0.home {
            Home::Disk(root) => {
                let path = key.file(root);
                blocking(move || Blob::open(File::open(path)?)).await
            }
            Home::Bucket(remote) => remote.open(key, extent).await,
        }
    }

    /// Copies a file; the two are independent from then on. Returns when the copy was written.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn copy(&self, from: &Key, to: Key, labels: Labels) -> Result<SystemTime, Error> {
        match &self.0.home {
            Home::Disk(root) => {
                let (place, from, root) = (self.place(), from.file(root), root.clone());
                blocking(move || incoming::copy(&place, &root, &from, &to, &labels)).await
            }
            Home::Bucket(remote) => {
                announced::announce_soon(&self.0, &to).await?;
                remote.copy(&self.0, from, &to, labels).await?;
                Ok(SystemTime::now())
            }
        }
    }

    /// Gives a file a second key, for when the first one goes. Costs no copy where the file system can
    /// link; a bucket cannot.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn link(&self, from: &Key, to: Key, labels: Labels) -> Result<(), Error> {
        let Home::Disk(root) = &self.0.home else { return self.copy(from, to, labels).await.map(drop) };
        let (place, from, root) = (self.place(), from.file(root), root.clone());
        blocking(move || incoming::link(&place, &root, &from, &to, &labels)).await
    }

    /// Removes a file, and the directories that it leaves empty. That there is none is fine.
    ///
    /// # Errors
    ///
    /// What file system or server said.
    pub async fn remove(&self, key: &Key) -> Result<(), Error> {
        if let Home::Bucket(remote) = &self.0.home {
            remote.remove(key).await?;
        }
        let (place, key) = (self.place(), key.clone());
        blocking(move || {
            if let Home::Disk(root) = &place.home {
                disk::remove(root, &key.file(root))?;
            }
            announced::withdraw(&place, &key);
            Ok(())
        })
        .await
    }

    /// Removes drafts that a process left behind when it ended, and ends what it had begun to send.
    /// Returns how many.
    ///
    /// # Errors
    ///
    /// What file system or server said.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let place = self.place();
        let (mut gone, notes) = blocking(move || {
            let (mut gone, mut notes) = (0, Vec::new());
            for entry in fs::read_dir(&place.drafts)? {
                let entry = entry?;
                let path = entry.path();
                let age = entry.metadata().ok().and_then(|file| file.modified().ok()?.elapsed().ok());
                if announced::is_one(&path) || age.is_none_or(|age| age <= ABANDONED) {
                    continue;
                }
                if is_note(&path) && matches!(place.home, Home::Bucket(_)) {
                    notes.push(path);
                } else if fs::remove_file(path).is_ok() {
                    gone += 1;
                }
            }
            Ok((gone, notes))
        })
        .await?;
        if let Home::Bucket(remote) = &self.0.home {
            let mut failed = None;
            for note in notes {
                // One that cannot be ended does not keep the others.
                match begun::end(remote, note).await {
                    Ok(()) => gone += 1,
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(gone)
    }

    /// Asks an S3 server whether it would answer us. A disk always does.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn greet(&self) -> Result<(), Error> {
        match &self.0.home {
            Home::Disk(_) => Ok(()),
            Home::Bucket(remote) => remote.greet().await,
        }
    }

    /// How long it may take from the moment that a file is announced until its key has it.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match &self.0.home {
            Home::Disk(_) => Duration::ZERO,
            Home::Bucket(remote) => remote.patience(),
        }
    }
}

/// A file that is being written. Dropped before [`Incoming::finish`] it leaves nothing.
pub struct Incoming(pub(crate) Way);

#[expect(
    clippy::large_enum_variant,
    reason = "one lives as long as an upload; the common one is not on the heap"
)]
pub(crate) enum Way {
    Disk(ToDisk),
    Bucket(Box<ToBucket>),
}

impl Incoming {
    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.0 {
            Way::Disk(incoming) => incoming.size(),
            Way::Bucket(incoming) => incoming.size(),
        }
    }

    /// Takes some bytes. They reach disk or server in larger pieces.
    ///
    /// # Errors
    ///
    /// What file system or server said, perhaps of bytes that came before; then nothing is left.
    pub async fn write(self, bytes: &Bytes) -> Result<Self, Error> {
        Ok(Self(match self.0 {
            Way::Disk(incoming) => Way::Disk(incoming.write(bytes).await?),
            Way::Bucket(incoming) => Way::Bucket(Box::new(incoming.write(bytes).await?)),
        }))
    }

    /// Gives the file its key, once all of it is where it is kept.
    ///
    /// # Errors
    ///
    /// What file system or server said; then nothing is left, unless the server's answer was lost: that
    /// file is announced, and found again.
    pub async fn finish(self, labels: Labels) -> Result<Stored, Error> {
        match self.0 {
            Way::Disk(incoming) => incoming.finish(labels).await,
            Way::Bucket(incoming) => incoming.finish().await,
        }
    }
}
