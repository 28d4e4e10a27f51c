//! A file on its way out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::stream::try_unfold;
use futures_util::{Stream, StreamExt};
use object_store::GetRange;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::remote::Reading;
use crate::{Error, PIECE};

/// A file that is open for reading. It can be read to its end even if it is removed meanwhile, unless it
/// is at a server that breaks off.
#[derive(Debug)]
pub struct Blob {
    source: Source,
    size: u64,
    modified: SystemTime,
    /// Bytes that are here already, with the place of the first: all of a small file, since reading it
    /// costs one visit with opening it, or a small part.
    here: Option<(u64, Bytes)>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Source {
    Disk(Arc<File>),
    Bucket(Reading),
}

/// What is wanted of a file, as far as one can tell before it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// Nothing: length and age are asked for.
    Nothing,
    /// From the first byte to the last, both included.
    Part(u64, u64),
    /// From a byte on.
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

impl Extent {
    pub(crate) fn range(self) -> Option<GetRange> {
        match self {
            Self::Whole | Self::Nothing => None,
            Self::Part(first, last) => Some(GetRange::Bounded(first..last.saturating_add(1))),
            Self::From(first) => Some(GetRange::Offset(first)),
            Self::Last(length) => Some(GetRange::Suffix(length)),
        }
    }
}

impl Blob {
    pub(crate) fn remote(
        reading: Reading,
        size: u64,
        modified: SystemTime,
        here: Option<(u64, Bytes)>,
    ) -> Self {
        Self { source: Source::Bucket(reading), size, modified, here }
    }

    pub(crate) fn open(file: File) -> Result<Self, Error> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Error::NotFound);
        }
        let size = metadata.len();
        let here = match usize::try_from(size) {
            Ok(length) if length <= PIECE => Some((0, read(&file, 0, length)?)),
            _ => None,
        };
        Ok(Self { source: Source::Disk(Arc::new(file)), size, modified: metadata.modified()?, here })
    }

    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was written.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// The bytes from `start` to before `end`, if they are so few that they are here already.
    #[must_use]
    pub fn small(&self, start: u64, end: u64) -> Option<Bytes> {
        let (first, bytes) = self.here.as_ref()?;
        let at = |place: u64| usize::try_from(place.checked_sub(*first)?).ok();
        let (start, end) = (at(start)?, at(end)?);
        (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
    }

    /// The bytes from `start` to before `end`, in pieces; each is read while the one before is sent.
    pub fn stream(&self, start: u64, end: u64) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let file = match &self.source {
            Source::Disk(file) => Arc::clone(file),
            Source::Bucket(reading) => {
                let pieces = match self.small(start, end) {
                    Some(bytes) => futures_util::stream::once(async { Ok(bytes) }).boxed(),
                    None => reading.stream(start, end),
                };
                return pieces.left_stream();
            }
        };
        let pieces = try_unfold((start, None), move |(at, ahead)| {
            let file = Arc::clone(&file);
            async move {
                let Some(reading) = ahead.or_else(|| begin(&file, at, end)) else { return Ok(None) };
                let read = reading.await.map_err(|error| Error::Io(std::io::Error::other(error)));
                let bytes: Bytes = read??;
                let next = at + bytes.len() as u64;
                Ok(Some((bytes, (next, begin(&file, next, end)))))
            }
        });
        pieces.right_stream()
    }
}

/// Begins to read the piece at a place, if there is one, while somebody sends the piece before.
fn begin(file: &Arc<File>, at: u64, end: u64) -> Option<JoinHandle<Result<Bytes, Error>>> {
    let length = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
    let file = Arc::clone(file);
    (length > 0).then(|| spawn_blocking(move || read(&file, at, length)))
}

fn read(file: &File, at: u64, length: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::zeroed(length);
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.freeze())
}
