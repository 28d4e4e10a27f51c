//! A file that comes in several requests, perhaps over days.
//!
//! What has come is kept aside as `<id>.part`, and what the caller wants to remember of it as
//! `<id>.note`; both survive the process. The length of the first is how far the upload is: nothing
//! else counts it. [`Partial::look`] and [`Tail::close`] tell a length only once it is on the disk, so
//! that what a client was told is true after a power cut too.
//!
//! There is one writer at a time, which is for the caller to see to.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use crate::disk::{make_directory, sync_directory};
use crate::incoming::{Draft, label, settle};
use crate::md5::Md5;
use crate::remote::{Remote, carry};
use crate::store::{Home, Place};
use crate::writer::Writer;
use crate::{Error, Key, Labels, PIECE, Store, Stored, blocking};

/// A file that is not complete, or whose note still says that it was.
#[derive(Clone, Debug)]
pub struct Partial {
    place: Arc<Place>,
    id: Uuid,
}

/// What is known of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was to be remembered.
    pub note: String,
    /// Bytes so far, all of them on the disk; `None` once the file has its key.
    pub size: Option<u64>,
    /// When it was last written to.
    pub modified: SystemTime,
}

/// The MD5 of a file's beginning. Whoever goes on writing brings it along, so that nothing is read
/// again; it can be made anew from the file.
#[derive(Clone, Default)]
pub struct Progress {
    digest: Md5,
    size: u64,
}

impl Store {
    /// The partial file of this id, whether it exists or not.
    #[must_use]
    pub fn partial(&self, id: Uuid) -> Partial {
        Partial { place: self.place(), id }
    }

    /// All partial files, each with the moment it was last written to.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn partials(&self) -> Result<Vec<(Uuid, SystemTime)>, Error> {
        let place = self.place();
        blocking(move || {
            let mut found: Vec<(Uuid, SystemTime)> = Vec::new();
            for entry in fs::read_dir(&place.partials)? {
                let path = entry?.path();
                let id = path.file_stem().and_then(|stem| Uuid::try_parse(stem.to_str()?).ok());
                let modified = fs::metadata(&path).and_then(|file| file.modified());
                let (Some(id), Ok(modified)) = (id, modified) else { continue };
                match found.iter_mut().find(|(known, _)| *known == id) {
                    Some((_, latest)) => *latest = modified.max(*latest),
                    None => found.push((id, modified)),
                }
            }
            Ok(found)
        })
        .await
    }
}

impl Partial {
    fn path(&self, kind: &str) -> PathBuf {
        self.place.partials.join(format!("{}.{kind}", self.id))
    }

    /// Begins an empty file at a moment, with what is to be remembered of it.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn create(&self, note: String, now: SystemTime) -> Result<(), Error> {
        let this = self.clone();
        blocking(move || {
            make_directory(&this.place.partials)?;
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(this.path("part"))?;
            file.set_modified(now)?;
            file.sync_all()?;
            this.write_note(&note, now)
        })
        .await
    }

    /// Remembers something else, or that it was touched.
    ///
    /// # Errors
    ///
    /// What the file system said; then the old note counts.
    pub async fn remember(&self, note: String, now: SystemTime) -> Result<(), Error> {
        let this = self.clone();
        blocking(move || this.write_note(&note, now)).await
    }

    fn write_note(&self, note: &str, now: SystemTime) -> Result<(), Error> {
        let draft = self.path("draft");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(note.as_bytes())?;
        file.set_modified(now)?;
        file.sync_all()?;
        fs::rename(draft, self.path("note"))?;
        sync_directory(&self.place.partials)
    }

    /// What is known of it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], or what the file system said.
    pub async fn look(&self) -> Result<Found, Error> {
        let this = self.clone();
        blocking(move || {
            let note_path = this.path("note");
            let note = fs::read_to_string(&note_path)?;
            let touched = fs::metadata(&note_path)?.modified()?;
            match File::open(this.path("part")) {
                Ok(file) => {
                    file.sync_data()?;
                    let data = file.metadata()?;
                    Ok(Found { note, size: Some(data.len()), modified: data.modified()?.max(touched) })
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Ok(Found { note, size: None, modified: touched })
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Goes on writing at the end.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], or what the file system said.
    pub async fn append(&self, progress: Option<Progress>) -> Result<Tail, Error> {
        let this = self.clone();
        blocking(move || {
            let path = this.path("part");
            let file = OpenOptions::new().write(true).open(&path)?;
            let size = file.metadata()?.len();
            let before = progress.unwrap_or_default();
            // A beginning that nobody has the MD5 of is read when the file is complete.
            let digest = (before.size == size).then(|| before.digest.clone());
            let writer = Writer::append(Draft { file, path, is_kept: true }, size, digest)?;
            Ok(Tail { writer, before })
        })
        .await
    }

    /// Gives the file its key. What `progress` does not cover is read once more, for the MD5. After a
    /// failure it can be called again, even if the file has its key already.
    ///
    /// # Errors
    ///
    /// What file system or server said.
    pub async fn finish(
        &self,
        key: Key,
        labels: Labels,
        progress: Option<Progress>,
    ) -> Result<Stored, Error> {
        match self.place.home.clone() {
            Home::Disk(root) => self.settle(root, key, labels, progress).await,
            Home::Bucket(remote) => self.send(&remote, key, labels, progress).await,
        }
    }

    async fn settle(
        &self,
        root: PathBuf,
        key: Key,
        labels: Labels,
        progress: Option<Progress>,
    ) -> Result<Stored, Error> {
        let this = self.clone();
        blocking(move || {
            let path = this.path("part");
            let (mut file, is_there) = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => (file, false),
                Err(error) if error.kind() == ErrorKind::NotFound => (File::open(key.file(&root))?, true),
                Err(error) => return Err(error.into()),
            };
            let progress = progress.unwrap_or_default().reach_end(&mut file)?;
            let modified = if is_there {
                file.metadata()?.modified()?
            } else {
                label(&file, &labels);
                settle(&this.place, &root, Draft { file, path, is_kept: true }, &key)?
            };
            Ok(Stored { size: progress.size, md5: progress.digest.finish(), modified })
        })
        .await
    }

    /// To a bucket. What it is like is written down before the file goes: a bucket is not asked for the
    /// MD5 of what it has.
    async fn send(
        &self,
        remote: &Remote,
        key: Key,
        labels: Labels,
        progress: Option<Progress>,
    ) -> Result<Stored, Error> {
        let this = self.clone();
        let measured = blocking(move || match File::open(this.path("part")) {
            Ok(mut file) => Ok(Some(progress.unwrap_or_default().reach_end(&mut file)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        });
        let this = self.clone();
        let Some(progress) = measured.await? else { return blocking(move || this.sent()).await };
        carry(remote, &self.place, vec![self.path("part")], &key, labels).await?;
        blocking(move || {
            let text = format!("{} {}", progress.size, progress.digest.finish());
            let draft = this.path("draft");
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(draft, this.path("sent"))?;
            sync_directory(&this.place.partials)?;
            fs::remove_file(this.path("part"))?;
            this.sent()
        })
        .await
    }

    /// What was sent.
    fn sent(&self) -> Result<Stored, Error> {
        let path = self.path("sent");
        let text = fs::read_to_string(&path)?;
        let (size, md5) = text.split_once(' ').ok_or(Error::NotFound)?;
        let size = size.parse().map_err(|_| Error::NotFound)?;
        Ok(Stored { size, md5: md5.to_owned(), modified: fs::metadata(path)?.modified()? })
    }

    /// Forgets all of it. A file that has its key stays.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn forget(&self) -> Result<(), Error> {
        let this = self.clone();
        blocking(move || {
            for kind in ["note", "part", "sent", "draft"] {
                match fs::remove_file(this.path(kind)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

impl Progress {
    /// Reads what it does not cover. One that covers more than there is knows another file.
    fn reach_end(self, file: &mut File) -> Result<Self, Error> {
        let size = file.metadata()?.len();
        let mut progress = if self.size <= size { self } else { Self::default() };
        if progress.size == size {
            return Ok(progress);
        }
        file.seek(SeekFrom::Start(progress.size))?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read(&mut piece)?;
            match piece.get(..length) {
                Some(bytes) if !bytes.is_empty() => progress.take(bytes),
                _ => return Ok(progress),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
    }
}

/// The end of a partial file. What was not flushed when it is dropped has not come.
pub struct Tail {
    writer: Writer,
    before: Progress,
}

impl Tail {
    /// Bytes of the whole file, those that were not flushed included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.writer.size()
    }

    /// Takes some bytes. They reach the file in larger pieces.
    ///
    /// # Errors
    ///
    /// What the file system said; then some of them may be there.
    pub async fn write(self, bytes: &Bytes) -> Result<Self, Error> {
        Ok(Self { writer: self.writer.write(bytes, gone).await?, ..self })
    }

    /// Forces all of it to disk, as of a moment. Returns how many bytes the file has, and what the next
    /// writer brings along.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn close(self, now: SystemTime) -> Result<(u64, Progress), Error> {
        let Self { writer, before } = self;
        let size = writer.size();
        let force = move |draft: Draft, digest: Option<Md5>| {
            draft.file.set_modified(now)?;
            draft.file.sync_data()?;
            Ok((size, digest.map_or(before, |digest| Progress { digest, size })))
        };
        writer.end(gone, force).await
    }
}

/// The file of a tail is there: it was opened.
fn gone() -> Result<Draft, Error> {
    Err(Error::NotFound)
}
