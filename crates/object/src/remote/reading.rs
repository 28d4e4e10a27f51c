//! A file on its way from the server.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::Remote;
use crate::Error;

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

/// A file at the server that is open for reading. A line that breaks is taken up where it broke, unless
/// the file is not the same any more.
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
        if start >= end {
            return stream::empty().boxed();
        }
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((range, pieces)) = begun
            && range == (start..end)
        {
            return pieces.map_err(Error::from).boxed();
        }
        let (remote, path) = (self.remote.clone(), self.path.clone());
        let asked = async move {
            let range = Some(GetRange::Bounded(start..end));
            let got = remote.store().get_opts(&path, GetOptions { range, ..GetOptions::default() }).await?;
            Ok::<_, Error>(got.into_stream().map_err(Error::from))
        };
        stream::once(asked).try_flatten().boxed()
    }
}
