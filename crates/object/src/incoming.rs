//! A file on its way in.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use crate::announced::announce;
use crate::disk::{Made, make_directory};
use crate::md5::Md5;
use crate::store::Place;
use crate::writer::Writer;
use crate::{Error, Key};

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

/// A file that is being written to a directory.
pub(crate) struct ToDisk {
    place: Arc<Place>,
    root: PathBuf,
    key: Key,
    writer: Writer,
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

impl ToDisk {
    pub(crate) fn new(place: Arc<Place>, root: PathBuf, key: Key) -> Self {
        Self { place, root, key, writer: Writer::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.writer.size()
    }

    pub(crate) async fn write(self, bytes: &Bytes) -> Result<Self, Error> {
        let place = Arc::clone(&self.place);
        let writer = self.writer.write(bytes, move || draft(&place)).await?;
        Ok(Self { writer, ..self })
    }

    /// Gives the file its name, and returns once all of it is on the disk.
    pub(crate) async fn finish(self, labels: Labels) -> Result<Stored, Error> {
        let Self { place, root, key, writer } = self;
        let size = writer.size();
        let draft_place = Arc::clone(&place);
        let settle = move |draft: Draft, digest: Option<Md5>| {
            label(&draft.file, &labels);
            let md5 = digest.unwrap_or_default().finish();
            Ok(Stored { size, md5, modified: settle(&place, &root, draft, &key)? })
        };
        writer.end(move || draft(&draft_place), settle).await
    }
}

pub(crate) fn draft(place: &Place) -> Result<Draft, Error> {
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

/// Renames the file and forces it to disk. It has its key a moment before all of it is there, which
/// nobody can know before its row is written; a journal is forced out once instead of three times.
pub(crate) fn settle(place: &Place, root: &Path, mut draft: Draft, key: &Key) -> Result<SystemTime, Error> {
    announce(place, key)?;
    let made = enter(root, key, |target| fs::rename(&draft.path, target))?;
    let is_kept = std::mem::replace(&mut draft.is_kept, true);
    let forced = draft.file.sync_all().map_err(Error::from).and_then(|()| made.force());
    if forced.is_err() && !is_kept {
        // What stays is announced.
        let _ = fs::remove_file(key.file(root));
    }
    forced?;
    Ok(draft.file.metadata()?.modified()?)
}

/// Makes a name in the directory of a key. Somebody who removes the last version of an object takes
/// the directory away, perhaps just now: then it is made again.
fn enter(root: &Path, key: &Key, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<Made, Error> {
    let target = key.file(root);
    let directory = target.parent().unwrap_or(root);
    let mut attempts = 0;
    let mut made = Made::default();
    loop {
        made.directory(directory)?;
        match make(&target) {
            Ok(()) => {
                made.name_in(directory);
                return Ok(made);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && attempts < 20 => attempts += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Links a file to another key, or copies it where that cannot be.
pub(crate) fn link(place: &Place, root: &Path, from: &Path, to: &Key, labels: &Labels) -> Result<(), Error> {
    fs::metadata(from)?;
    announce(place, to)?;
    match enter(root, to, |target| fs::hard_link(from, target)) {
        Ok(made) => made.force(),
        Err(Error::Io(_)) => copy(place, root, from, to, labels).map(drop),
        Err(error) => Err(error),
    }
}

/// Copies a file to another key.
pub(crate) fn copy(
    place: &Place,
    root: &Path,
    from: &Path,
    to: &Key,
    labels: &Labels,
) -> Result<SystemTime, Error> {
    let mut source = File::open(from)?;
    let mut draft = draft(place)?;
    // The kernel copies, or shares the blocks where the file system can.
    std::io::copy(&mut source, &mut draft.file)?;
    label(&draft.file, labels);
    settle(place, root, draft, to)
}

/// Puts files together under a key. Returns its size and when it was written.
pub(crate) fn join(
    place: &Place,
    root: &Path,
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
    Ok((size, settle(place, root, draft, to)?))
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
