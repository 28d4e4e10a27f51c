//! A file on its way from a client to the server.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn, spawn_blocking};

use super::{Remote, Transfer};
use crate::announced::{announce, announce_soon};
use crate::incoming::{Draft, draft};
use crate::md5::Md5;
use crate::store::Place;
use crate::{Error, Key, Labels, PIECE, Stored, blocking};

/// A file that is being written to a bucket.
pub(crate) struct ToBucket {
    place: Arc<Place>,
    remote: Remote,
    key: Key,
    labels: Labels,
    buffer: BytesMut,
    size: u64,
    writing: Writing,
    /// One part is sent while the next one comes.
    sending: Option<JoinHandle<Result<Transfer, Error>>>,
}

/// One piece is written while the next one comes.
enum Writing {
    Idle(Writer),
    Busy(JoinHandle<Result<Writer, Error>>),
}

/// The part that comes, and the digest of all.
struct Writer {
    place: Arc<Place>,
    draft: Option<Draft>,
    length: usize,
    digest: Md5,
}

impl ToBucket {
    pub(crate) fn new(place: Arc<Place>, remote: Remote, key: Key, labels: Labels) -> Self {
        let writer = Writer { place: Arc::clone(&place), draft: None, length: 0, digest: Md5::default() };
        let (buffer, writing) = (BytesMut::new(), Writing::Idle(writer));
        Self { place, remote, key, labels, buffer, size: 0, writing, sending: None }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) async fn write(mut self, bytes: &Bytes) -> Result<Self, Error> {
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PIECE {
            self = self.flush().await?;
        }
        Ok(self)
    }

    /// Writes some of the buffer. A part that is full is sent first.
    async fn flush(mut self) -> Result<Self, Error> {
        let mut writer = self.writing.end().await?;
        if writer.length >= self.remote.part_size() {
            let part = writer.draft.take().ok_or(Error::NotFound)?;
            writer.length = 0;
            let sent = match self.sending.take() {
                Some(sending) => Some(sending.await.map_err(joined)??),
                None => None,
            };
            let (remote, place) = (self.remote.clone(), Arc::clone(&self.place));
            let (key, labels) = (self.key.clone(), self.labels.clone());
            self.sending = Some(spawn(async move {
                let mut transfer = match sent {
                    Some(transfer) => transfer,
                    None => Transfer::begin(&remote, &place, &key, &labels).await?,
                };
                let _turn = remote.turn().await?;
                transfer.add(blocking(move || part.content()).await?).await?;
                Ok(transfer)
            }));
        }
        let room = self.remote.part_size() - writer.length;
        let piece = self.buffer.split_to(self.buffer.len().min(room));
        self.writing = Writing::Busy(spawn_blocking(move || {
            writer.write(&piece)?;
            Ok(writer)
        }));
        Ok(self)
    }

    /// Brings what is left, and gives the file its key.
    pub(crate) async fn finish(mut self) -> Result<Stored, Error> {
        let is_small = matches!(&self.writing, Writing::Idle(_));
        while !is_small && !self.buffer.is_empty() {
            self = self.flush().await?;
        }
        let Self { place, remote, key, labels, buffer, size, writing, sending } = self;
        let mut writer = writing.end().await?;
        let sent = match sending {
            Some(sending) => Some(sending.await.map_err(joined)??),
            None => None,
        };
        let turn = if is_small { None } else { Some(remote.turn().await?) };
        let (announcing, to) = (Arc::clone(&place), key.clone());
        let (md5, last) = blocking(move || {
            announce(&announcing, &to)?;
            let last = match writer.draft.take() {
                Some(draft) => draft.content()?,
                None => {
                    writer.digest.update(&buffer);
                    buffer.freeze()
                }
            };
            Ok((writer.digest.finish(), last))
        })
        .await?;
        match sent {
            None => remote.put(&key, last, &labels).await?,
            Some(mut transfer) => {
                if !last.is_empty() {
                    transfer.add(last).await?;
                }
                // That took its time.
                announce_soon(&place, &key).await?;
                transfer.complete().await?;
            }
        }
        drop(turn);
        Ok(Stored { size, md5, modified: SystemTime::now() })
    }
}

fn joined(error: tokio::task::JoinError) -> Error {
    Error::Io(std::io::Error::other(error))
}

impl Writing {
    /// Waits for the piece under way.
    async fn end(self) -> Result<Writer, Error> {
        match self {
            Self::Idle(writer) => Ok(writer),
            Self::Busy(writing) => writing.await.map_err(joined)?,
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
        self.length += piece.len();
        Ok(draft.file.write_all(piece)?)
    }
}

impl Draft {
    /// All of it; it is not needed any more.
    fn content(mut self) -> Result<Bytes, Error> {
        let file: &mut File = &mut self.file;
        file.rewind()?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
        let mut bytes = BytesMut::zeroed(length);
        file.read_exact(&mut bytes)?;
        Ok(bytes.freeze())
    }
}
