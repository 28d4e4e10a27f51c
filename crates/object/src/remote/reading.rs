//! A file on its way from the server.

use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::Remote;
use crate::Error;

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

/// Lines that may break one after the other without a byte on any.
const BROKEN: u32 = 3;

/// A file at the server that is open for reading. A line that breaks is taken up where it broke, however long
/// the file has been read already: a client that is slow has its lines broken by many servers.
pub(crate) struct Reading {
    remote: Remote,
    path: Path,
    /// An answer whose body nobody has read yet.
    begun: Mutex<Option<(Range<u64>, Pieces)>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reading {
    pub(super) fn new(remote: Remote, path: Path, begun: Option<(Range<u64>, Pieces)>) -> Self {
        Self { remote, path, begun: Mutex::new(begun) }
    }

    /// The bytes from `start` to before `end`.
    pub(crate) fn stream(&self, start: u64, end: u64) -> BoxStream<'static, Result<Bytes, Error>> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pieces = begun.filter(|(range, _)| *range == (start..end)).map(|(_, pieces)| pieces);
        let (remote, path) = (self.remote.clone(), self.path.clone());
        let line = Line { remote, path, at: start, end, pieces, broken: 0 };
        stream::try_unfold(line, Line::next).boxed()
    }
}

/// A stretch of a file on its way.
struct Line {
    remote: Remote,
    path: Path,
    at: u64,
    end: u64,
    pieces: Option<Pieces>,
    /// How often it broke since the last byte.
    broken: u32,
}

impl Line {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        while self.at < self.end {
            let mut pieces = match self.pieces.take() {
                Some(pieces) => pieces,
                None => ask(&self.remote, &self.path, self.at..self.end).await?,
            };
            let broke = match pieces.try_next().await {
                Ok(Some(bytes)) if (1..=self.end - self.at).contains(&(bytes.len() as u64)) => {
                    self.at += bytes.len() as u64;
                    self.pieces = Some(pieces);
                    self.broken = 0;
                    return Ok(Some((bytes, self)));
                }
                // Fewer bytes than were asked for, or more.
                Ok(_) => Error::Io(ErrorKind::UnexpectedEof.into()),
                Err(error) => error.into(),
            };
            self.broken += 1;
            if self.broken > BROKEN {
                return Err(broke);
            }
        }
        Ok(None)
    }
}

/// Asks for what is left.
async fn ask(remote: &Remote, path: &Path, range: Range<u64>) -> Result<Pieces, Error> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    Ok(remote.store().get_opts(path, options).await?.into_stream())
}
