//! A file that grows, on its way in at once or in several requests.
//!
//! What comes is gathered to stretches. Each stretch is written, and its MD5 taken, while the next one
//! comes: three things at a time, none of which waits for a disk until the last byte, because what was
//! written is forced out meanwhile too. A file of a single stretch costs one visit to the disk.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::incoming::Draft;
use crate::md5::Md5;
use crate::{Error, PIECE, blocking};

/// Bytes that are written at once. Handing them over costs something; so does keeping them.
const STRETCH: usize = 2 * PIECE;

/// Bytes that may wait to be forced out. Fewer would hinder the disk, more would leave the last request
/// with a long wait.
const BACKLOG: usize = 32 * 1024 * 1024;

/// Writes to the end of a file.
pub(crate) struct Writer {
    /// None before the first stretch, if nobody has begun the file.
    open: Option<Open>,
    buffer: BytesMut,
    size: u64,
    /// Bytes that nothing has forced out yet.
    backlog: usize,
    hashing: Stage<Option<Md5>>,
    writing: Stage<()>,
    forcing: Stage<()>,
}

struct Open {
    draft: Draft,
    /// For those who write beside one another.
    file: Arc<File>,
}

impl Open {
    fn new(draft: Draft) -> Result<Self, Error> {
        let file = Arc::new(draft.file.try_clone()?);
        Ok(Self { draft, file })
    }
}

/// Something that stretches pass one after the other.
enum Stage<T> {
    Free(T),
    Busy(JoinHandle<Result<T, Error>>),
}

impl<T: Send + 'static> Stage<T> {
    /// Waits for the stretch that is in it, then takes the next one.
    async fn pass(
        self,
        work: impl FnOnce(&mut T) -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let mut state = self.end().await?;
        Ok(Self::Busy(spawn_blocking(move || {
            work(&mut state)?;
            Ok(state)
        })))
    }

    async fn end(self) -> Result<T, Error> {
        match self {
            Self::Free(state) => Ok(state),
            Self::Busy(work) => work.await.map_err(|error| Error::Io(std::io::Error::other(error)))?,
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Free(_) => true,
            Self::Busy(work) => work.is_finished(),
        }
    }
}

impl Writer {
    /// A file that is made when something is written to it.
    pub(crate) fn new() -> Self {
        Self {
            open: None,
            buffer: BytesMut::new(),
            size: 0,
            backlog: 0,
            hashing: Stage::Free(Some(Md5::default())),
            writing: Stage::Free(()),
            forcing: Stage::Free(()),
        }
    }

    /// The end of a file that has so many bytes. Without the digest of these none is taken.
    pub(crate) fn append(draft: Draft, size: u64, digest: Option<Md5>) -> Result<Self, Error> {
        Ok(Self { open: Some(Open::new(draft)?), size, hashing: Stage::Free(digest), ..Self::new() })
    }

    /// Bytes of the whole file, those that are still to be written included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes some bytes; `begin` makes the file if there is none yet.
    ///
    /// # Errors
    ///
    /// What the file system said, perhaps of bytes that came before. Nothing is being written then.
    pub(crate) async fn write(
        mut self,
        bytes: &Bytes,
        begin: impl FnOnce() -> Result<Draft, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < STRETCH {
            return Ok(self);
        }
        let open = match self.open {
            Some(open) => open,
            None => blocking(move || Open::new(begin()?)).await?,
        };
        let stretch = self.buffer.split().freeze();
        self.buffer.reserve(STRETCH + bytes.len());
        self.backlog += stretch.len();
        self.writing.end().await?;
        let hashed = stretch.clone();
        self.hashing = self.hashing.pass(move |digest| take(digest, &hashed)).await?;
        if self.backlog >= BACKLOG && self.forcing.is_done() {
            let file = Arc::clone(&open.file);
            self.forcing = self.forcing.pass(move |()| Ok(file.sync_data()?)).await?;
            self.backlog = 0;
        }
        let file = Arc::clone(&open.file);
        self.writing = Stage::Free(()).pass(move |()| Ok((&*file).write_all(&stretch)?)).await?;
        self.open = Some(open);
        Ok(self)
    }

    /// Writes what is left and hands over the file, with the digest of its bytes. Nobody has forced all
    /// of it to disk.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`], or what `then` says.
    pub(crate) async fn end<T: Send + 'static>(
        self,
        begin: impl FnOnce() -> Result<Draft, Error> + Send + 'static,
        then: impl FnOnce(Draft, Option<Md5>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writing.end().await?;
        self.forcing.end().await?;
        let mut digest = self.hashing.end().await?;
        let (open, rest) = (self.open, self.buffer);
        blocking(move || {
            let draft = open.map_or_else(begin, |open| Ok(open.draft))?;
            (&draft.file).write_all(&rest)?;
            take(&mut digest, &rest)?;
            then(draft, digest)
        })
        .await
    }
}

fn take(digest: &mut Option<Md5>, bytes: &[u8]) -> Result<(), Error> {
    if let Some(digest) = digest {
        digest.update(bytes);
    }
    Ok(())
}
