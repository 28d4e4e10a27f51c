//! A file on its way out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;

use crate::{Error, PIECE, blocking};

/// A file that is open for reading; it can be read to its end even if it is removed meanwhile.
#[derive(Debug)]
pub struct Blob {
    file: Arc<File>,
    size: u64,
    modified: SystemTime,
    /// All of a small file: reading it costs one visit to the disk with opening it.
    head: Option<Bytes>,
}

impl Blob {
    pub(crate) fn open(file: File) -> Result<Self, Error> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Error::NotFound);
        }
        let size = metadata.len();
        let head = match usize::try_from(size) {
            Ok(length) if length <= PIECE => Some(read(&file, 0, length)?),
            _ => None,
        };
        Ok(Self { file: Arc::new(file), size, modified: metadata.modified()?, head })
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

    /// The bytes from `start` to before `end`, if the file is so small that they are here already.
    #[must_use]
    pub fn small(&self, start: u64, end: u64) -> Option<Bytes> {
        let head = self.head.as_ref()?;
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        (start <= end && end <= head.len()).then(|| head.slice(start..end))
    }

    /// The bytes from `start` to before `end`, in pieces.
    pub fn stream(&self, start: u64, end: u64) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let file = Arc::clone(&self.file);
        try_unfold(start, move |at| {
            let file = Arc::clone(&file);
            async move {
                let length = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
                if length == 0 {
                    return Ok(None);
                }
                let bytes = blocking(move || read(&file, at, length)).await?;
                let next = at + bytes.len() as u64;
                Ok(Some((bytes, next)))
            }
        })
    }
}

fn read(file: &File, at: u64, length: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::zeroed(length);
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.freeze())
}
