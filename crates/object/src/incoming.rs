//! A file on its way in.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use crate::announced::announce;
use crate::disk::{Place, make_directory, sync_directory};
use crate::{Error, Key, PIECE, blocking};

/// Headers that Supabase Storage keeps with the file; for us the row is the truth, and a file system
/// without attributes will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The media type.
    pub content_type: String,
    /// How long the content may be kept.
    pub cache_control: String,
}

/// What is known of a file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Length in bytes.
    pub size: u64,
    /// MD5 of the content, 32 hex digits.
    pub md5: String,
    /// When it was written.
    pub modified: SystemTime,
}

/// A file that is being written. Dropped before [`Incoming::finish`] it leaves nothing.
pub struct Incoming {
    place: Arc<Place>,
    key: Key,
    buffer: BytesMut,
    size: u64,
    writing: Writing,
}

/// One piece is written while the next one comes.
enum Writing {
    Idle(Writer),
    Busy(JoinHandle<Result<Writer, Error>>),
}

/// What has been written, and its digest.
struct Writer {
    place: Arc<Place>,
    draft: Option<Draft>,
    digest: Md5,
}

/// A file that has no name of its own yet.
pub(crate) struct Draft {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// It stays even if it does not get its name.
    pub(crate) is_kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays is found by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Incoming {
    pub(crate) fn new(place: Arc<Place>, key: Key) -> Self {
        let writer = Writer { place: Arc::clone(&place), draft: None, digest: Md5::new() };
        Self { place, key, buffer: BytesMut::new(), size: 0, writing: Writing::Idle(writer) }
    }

    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes some bytes. They reach the disk in larger pieces.
    ///
    /// # Errors
    ///
    /// What the file system said, perhaps of bytes that came before; then nothing is left.
    pub async fn write(mut self, bytes: &Bytes) -> Result<Self, Error> {
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < PIECE {
            return Ok(self);
        }
        let Self { place, key, buffer: piece, size, writing } = self;
        let mut writer = writing.end().await?;
        let writing = Writing::Busy(spawn_blocking(move || {
            writer.write(&piece)?;
            Ok(writer)
        }));
        let buffer = BytesMut::with_capacity(PIECE + bytes.len());
        Ok(Self { place, key, buffer, size, writing })
    }

    /// Gives the file its name, once all of it is on the disk.
    ///
    /// # Errors
    ///
    /// What the file system said; then nothing is left.
    pub async fn finish(self, labels: Labels) -> Result<Stored, Error> {
        let Self { place, key, buffer, size, writing } = self;
        let mut writer = writing.end().await?;
        blocking(move || {
            writer.write(&buffer)?;
            let draft = writer.draft.take().ok_or(Error::NotFound)?;
            label(&draft.file, &labels);
            let md5 = hex::encode(writer.digest.finalize());
            let modified = settle(&place, draft, &key)?;
            Ok(Stored { size, md5, modified })
        })
        .await
    }
}

impl Writing {
    /// Waits for the piece under way.
    async fn end(self) -> Result<Writer, Error> {
        match self {
            Self::Idle(writer) => Ok(writer),
            Self::Busy(writing) => writing.await.map_err(|error| Error::Io(std::io::Error::other(error)))?,
        }
    }
}

impl Writer {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let draft = match &mut self.draft {
            Some(draft) => draft,
            empty => empty.insert(draft(&self.place)?),
        };
        self.digest.update(piece);
        Ok(draft.file.write_all(piece)?)
    }
}

fn draft(place: &Place) -> Result<Draft, Error> {
    let path = place.drafts.join(Uuid::new_v4().to_string());
    let open = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make_directory(&place.drafts)?;
            open()?
        }
        opened => opened?,
    };
    Ok(Draft { file, path, is_kept: false })
}

/// Forces the file to disk and renames it.
pub(crate) fn settle(place: &Place, mut draft: Draft, key: &Key) -> Result<SystemTime, Error> {
    draft.file.sync_all()?;
    announce(place, key)?;
    enter(place, key, |target| fs::rename(&draft.path, target))?;
    draft.is_kept = true;
    Ok(draft.file.metadata()?.modified()?)
}

/// Makes a name in the directory of a key. Somebody who removes the last version of an object takes
/// the directory away, perhaps just now: then it is made again.
fn enter(place: &Place, key: &Key, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), Error> {
    let target = key.file(&place.root);
    let directory = target.parent().unwrap_or(&place.root);
    let mut attempts = 0;
    loop {
        make_directory(directory)?;
        match make(&target) {
            Ok(()) => return sync_directory(directory),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && attempts < 20 => attempts += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Links a file to another key, or copies it where that cannot be.
pub(crate) fn link(place: &Place, from: &Path, to: &Key, labels: &Labels) -> Result<(), Error> {
    fs::metadata(from)?;
    announce(place, to)?;
    match enter(place, to, |target| fs::hard_link(from, target)) {
        Err(Error::Io(_)) => copy(place, from, to, labels).map(drop),
        done => done,
    }
}

/// Copies a file to another key.
pub(crate) fn copy(place: &Place, from: &Path, to: &Key, labels: &Labels) -> Result<SystemTime, Error> {
    let mut source = File::open(from)?;
    let mut draft = draft(place)?;
    // The kernel copies, or shares the blocks where the file system can.
    std::io::copy(&mut source, &mut draft.file)?;
    label(&draft.file, labels);
    settle(place, draft, to)
}

/// Puts files together under a key. Returns its size and when it was written.
pub(crate) fn join(
    place: &Place,
    from: &[PathBuf],
    to: &Key,
    labels: &Labels,
) -> Result<(u64, SystemTime), Error> {
    let mut draft = draft(place)?;
    let mut size = 0;
    for path in from {
        size += std::io::copy(&mut File::open(path)?, &mut draft.file)?;
    }
    label(&draft.file, labels);
    Ok((size, settle(place, draft, to)?))
}

/// The attributes under which Supabase Storage looks for them.
pub(crate) fn label(file: &File, labels: &Labels) {
    use rustix::fs::{XattrFlags, fsetxattr};
    for (name, value) in [
        ("user.supabase.content-type", &labels.content_type),
        ("user.supabase.cache-control", &labels.cache_control),
    ] {
        let _ = fsetxattr(file, name, value.as_bytes(), XattrFlags::empty());
    }
}
