//! Files that are complete, on this machine or at the server, on their way to a key.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;

use super::{Remote, Transfer};
use crate::announced::announce_soon;
use crate::store::Place;
use crate::{Blob, Error, Key, Labels, blocking};

/// Takes files, one behind the other, to a key. Returns its size.
pub(crate) async fn carry(
    remote: &Remote,
    place: &Arc<Place>,
    files: Vec<PathBuf>,
    key: &Key,
    labels: Labels,
) -> Result<u64, Error> {
    let most = remote.part_size();
    let mut files = Files { rest: files.into_iter(), open: None };
    let mut transfer: Option<Transfer> = None;
    let mut size = 0;
    loop {
        let turn = remote.turn().await?;
        let (back, part) = blocking(move || {
            let part = files.next(most)?;
            Ok((files, part))
        })
        .await?;
        files = back;
        size += part.len() as u64;
        let is_last = part.len() < most;
        let mut begun = match transfer.take() {
            Some(begun) => begun,
            None if is_last => {
                announce_soon(place, key).await?;
                remote.put(key, part, &labels).await?;
                return Ok(size);
            }
            None => Transfer::begin(remote, place, key, &labels).await?,
        };
        if !part.is_empty() {
            begun.add(part).await?;
        }
        drop(turn);
        if is_last {
            announce_soon(place, key).await?;
            begun.complete().await?;
            return Ok(size);
        }
        transfer = Some(begun);
    }
}

/// Some files as one.
struct Files {
    rest: IntoIter<PathBuf>,
    open: Option<File>,
}

impl Files {
    /// The next bytes: so many, unless it is the end.
    fn next(&mut self, most: usize) -> Result<Bytes, Error> {
        let mut part = BytesMut::new();
        while part.len() < most {
            let Some(file) = &mut self.open else {
                match self.rest.next() {
                    Some(path) => self.open = Some(File::open(path)?),
                    None => break,
                }
                continue;
            };
            let before = part.len();
            let left = usize::try_from(file.metadata()?.len()).unwrap_or(most).min(most - before);
            part.resize(before + left.max(1), 0);
            let room = part.get_mut(before..).unwrap_or_default();
            let read = file.read(room)?;
            part.truncate(before + read);
            if read == 0 {
                self.open = None;
            }
        }
        Ok(part.freeze())
    }
}

/// Takes what is at the server already to another key, through this machine.
pub(super) async fn pour(
    remote: &Remote,
    place: &Arc<Place>,
    from: Blob,
    to: &Key,
    labels: Labels,
) -> Result<(), Error> {
    let mut transfer = Transfer::begin(remote, place, to, &labels).await?;
    let mut pieces = std::pin::pin!(from.stream(0, from.size()));
    let turn = remote.turn().await?;
    let mut part = BytesMut::new();
    while let Some(piece) = pieces.try_next().await? {
        part.extend_from_slice(&piece);
        while part.len() >= remote.part_size() {
            transfer.add(part.split_to(remote.part_size()).freeze()).await?;
        }
    }
    if !part.is_empty() {
        transfer.add(part.freeze()).await?;
    }
    drop(turn);
    announce_soon(place, to).await?;
    transfer.complete().await
}
