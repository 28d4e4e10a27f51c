//! A file that grows, on its way in at once or in several requests.
//!
//! What comes is gathered to stretches. Each is written, and its MD5 taken, while the next ones come: three
//! things at a time, of which the MD5 takes longest, so that it never has to wait is what makes an upload
//! fast. A file of a single stretch costs one visit to the disk.
//!
//! The beginning of a file stays in the memory of the operating system, where most files are read from a
//! moment later. The rest of a large one goes past it, straight to the disk: that costs a fraction of the
//! time, leaves that memory to others, and little to be forced out at the end.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::incoming::Draft;
use crate::lane::Lane;
use crate::md5::Md5;
use crate::{Error, PIECE, blocking};

/// Bytes that are written at once. Handing them over costs something; so does keeping them.
const STRETCH: usize = 2 * PIECE;

/// Bytes at the beginning of a file that stay in memory.
const NEAR: u64 = 16 * 1024 * 1024;

/// What disks want places, lengths and addresses to be a multiple of, if nothing is to be in between.
const BLOCK: usize = 4096;

/// Writes to the end of a file.
pub(crate) struct Writer {
    /// None before the first stretch, if nobody has begun the file.
    open: Option<Open>,
    buffer: BytesMut,
    size: u64,
    hashing: Lane<Option<Md5>>,
}

struct Open {
    draft: Draft,
    writing: Lane<Sink>,
}

impl Open {
    fn new(draft: Draft, size: u64) -> Result<Self, Error> {
        let sink =
            Sink { file: Arc::new(draft.file.try_clone()?), at: size, is_direct: false, is_able: true };
        Ok(Self { draft, writing: Lane::new(sink, Sink::take) })
    }
}

impl Writer {
    /// A file that is made when something is written to it.
    pub(crate) fn new() -> Self {
        let hashing = Lane::new(Some(Md5::default()), hash);
        Self { open: None, buffer: BytesMut::new(), size: 0, hashing }
    }

    /// The end of a file that has so many bytes. Without the digest of these none is taken.
    pub(crate) fn append(draft: Draft, size: u64, digest: Option<Md5>) -> Result<Self, Error> {
        let open = Some(Open::new(draft, size)?);
        Ok(Self { open, size, hashing: Lane::new(digest, hash), ..Self::new() })
    }

    /// Bytes of the whole file, those that are still to be written included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes some bytes; `begin` makes the file if there is none yet.
    ///
    /// # Errors
    ///
    /// What the file system said, perhaps of bytes that came before.
    pub(crate) async fn write(
        mut self,
        mut bytes: &[u8],
        begin: impl FnOnce() -> Result<Draft, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let mut begin = Some(begin);
        self.size += bytes.len() as u64;
        while self.buffer.len() + bytes.len() >= STRETCH {
            let (now, later) = bytes.split_at(STRETCH - self.buffer.len());
            self.buffer.extend_from_slice(now);
            bytes = later;
            let stretch = std::mem::replace(&mut self.buffer, aligned(STRETCH)).freeze();
            let open = match (self.open, begin.take()) {
                (Some(open), _) => open,
                (None, Some(begin)) => blocking(move || Open::new(begin()?, 0)).await?,
                (None, None) => return Err(Error::NotFound),
            };
            self.hashing = self.hashing.pass(stretch.clone()).await?;
            self.open = Some(Open { writing: open.writing.pass(stretch).await?, ..open });
        }
        self.buffer.extend_from_slice(bytes);
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
        let begun = match self.open {
            Some(Open { draft, writing }) => Some((draft, writing.end().await?)),
            None => None,
        };
        let mut digest = self.hashing.end().await?;
        let rest = self.buffer.freeze();
        blocking(move || {
            let draft = match begun {
                Some((draft, mut sink)) => {
                    sink.take(&rest)?;
                    draft
                }
                None => {
                    let draft = begin()?;
                    draft.file.write_all_at(&rest, 0)?;
                    draft
                }
            };
            hash(&mut digest, &rest)?;
            then(draft, digest)
        })
        .await
    }
}

fn hash(digest: &mut Option<Md5>, bytes: &Bytes) -> Result<(), Error> {
    if let Some(digest) = digest {
        digest.update(bytes);
    }
    Ok(())
}

/// An empty buffer that begins where a disk would have it.
fn aligned(length: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(length + BLOCK);
    let before = buffer.as_ptr().align_offset(BLOCK).min(BLOCK);
    buffer.resize(before, 0);
    buffer.advance(before);
    buffer
}

/// Where stretches end up.
struct Sink {
    file: Arc<File>,
    at: u64,
    is_direct: bool,
    /// As far as anybody knows, the file system can do without memory in between.
    is_able: bool,
}

impl Sink {
    fn take(&mut self, bytes: &Bytes) -> Result<(), Error> {
        let is_fit = self.at.is_multiple_of(BLOCK as u64)
            && bytes.len().is_multiple_of(BLOCK)
            && bytes.as_ptr().align_offset(BLOCK) == 0;
        self.go(self.is_able && is_fit && self.at >= NEAR);
        match self.file.write_all_at(bytes, self.at) {
            Err(error) if self.is_direct && error.kind() == ErrorKind::InvalidInput => {
                self.is_able = false;
                self.go(false);
                self.file.write_all_at(bytes, self.at)?;
            }
            written => written?,
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Past the memory of the operating system or through it.
    fn go(&mut self, direct: bool) {
        if direct == self.is_direct {
            return;
        }
        let set = fcntl_getfl(&self.file).and_then(|mut flags| {
            flags.set(OFlags::DIRECT, direct);
            fcntl_setfl(&self.file, flags)
        });
        match set {
            Ok(()) => self.is_direct = direct,
            Err(_) => self.is_able = false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::OpenOptions;
    use std::path::Path;

    use super::*;

    fn draft(path: &Path) -> Draft {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        Draft { file, path: path.to_owned(), is_kept: true }
    }

    async fn grow(path: &Path, size: u64, bytes: &[u8], chunk: usize) -> String {
        let digest = (size == 0).then(Md5::default);
        let mut writer = Writer::append(draft(path), size, digest).unwrap();
        for bytes in bytes.chunks(chunk) {
            writer = writer.write(bytes, || Err(Error::NotFound)).await.unwrap();
        }
        assert_eq!(writer.size(), size + bytes.len() as u64);
        let then = |_, digest: Option<Md5>| Ok(digest.map(Md5::finish).unwrap_or_default());
        writer.end(|| Err(Error::NotFound), then).await.unwrap()
    }

    /// Near and far, on a block and off it, in all orders: what is read is what was written.
    #[tokio::test]
    async fn a_file_is_the_same_whichever_way_its_bytes_go() {
        use md5::Digest;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let far = usize::try_from(NEAR).unwrap();
        let all: Vec<u8> =
            (0..far as u32 + 5_000_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for steps in [
            vec![],
            vec![far],
            vec![far - 1, far + STRETCH + 1],
            vec![far + 8192],
            vec![far + 4097, far + 4098, far + 2_000_000],
        ] {
            let mut size = 0;
            for end in steps.iter().copied().chain([all.len()]) {
                let md5 = grow(&path, size as u64, &all[size..end], 100_003).await;
                if size == 0 {
                    assert_eq!(md5, hex::encode(md5::Md5::digest(&all[..end])));
                }
                size = end;
            }
            assert!(std::fs::read(&path).unwrap() == all, "{steps:?}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_disks_do_not_take_goes_through_memory() {
        let directory = tempfile::tempdir().unwrap();
        let draft = draft(&directory.path().join("file"));
        let file = Arc::new(draft.file.try_clone().unwrap());
        let mut sink = Sink { file, at: NEAR, is_direct: false, is_able: true };
        let all = Bytes::from(vec![7; 3 * BLOCK]);
        // Of the right length, at a wrong address.
        sink.take(&all.slice(1..=BLOCK)).unwrap();
        sink.take(&all.slice(..100)).unwrap();
        sink.take(&all.slice(..BLOCK)).unwrap();
        assert_eq!(sink.at, NEAR + 2 * BLOCK as u64 + 100);
        assert_eq!(draft.file.metadata().unwrap().len(), sink.at);
        let mut read = vec![0; 2 * BLOCK + 100];
        draft.file.read_exact_at(&mut read, NEAR).unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
    }
}
