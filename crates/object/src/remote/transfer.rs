//! An upload in parts at the server.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMultipartOptions};

use super::{Remote, attributes, begun, writing};
use crate::store::Place;
use crate::{Error, Key, Labels};

/// A file on its way in parts. Dropped before it is complete it is ended.
pub(super) struct Transfer {
    remote: Remote,
    path: Path,
    id: String,
    /// Where it is noted; none once it is over.
    note: Option<PathBuf>,
    parts: Vec<PartId>,
    size: u64,
}

impl Transfer {
    pub(super) async fn begin(
        remote: &Remote,
        place: &Arc<Place>,
        key: &Key,
        labels: &Labels,
    ) -> Result<Self, Error> {
        let path = remote.path(key)?;
        let options =
            PutMultipartOptions { attributes: attributes(labels), ..PutMultipartOptions::default() };
        let id = remote.store().create_multipart_opts(&path, options).await.map_err(writing)?;
        let note = match begun::note(place, &path, &id).await {
            Ok(note) => note,
            Err(error) => {
                begun::abort(remote, &path, &id).await?;
                return Err(error);
            }
        };
        Ok(Self { remote: remote.clone(), path, id, note: Some(note), parts: Vec::new(), size: 0 })
    }

    /// Sends the next part.
    pub(super) async fn add(&mut self, bytes: Bytes) -> Result<(), Error> {
        if let Some(note) = &self.note {
            begun::touch(note.clone()).await?;
        }
        let length = bytes.len() as u64;
        let store = self.remote.store();
        let part = store.put_part(&self.path, &self.id, self.parts.len(), bytes.into()).await;
        self.parts.push(part.map_err(writing)?);
        self.size += length;
        Ok(())
    }

    /// Makes a file of the parts. If the answer is lost, the file itself tells.
    pub(super) async fn complete(mut self) -> Result<(), Error> {
        let parts = std::mem::take(&mut self.parts);
        let store = self.remote.store();
        if let Err(error) = store.complete_multipart(&self.path, &self.id, parts).await {
            match store.head(&self.path).await {
                Ok(meta) if meta.size == self.size => {}
                _ => return Err(writing(error)),
            }
        }
        match self.note.take() {
            Some(note) => begun::forget(note).await,
            None => Ok(()),
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // Without a runtime the process ends, and the note stays.
        let (Some(note), Ok(runtime)) = (self.note.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (remote, path, id) = (self.remote.clone(), self.path.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            // What cannot be ended now is ended by whoever finds the note.
            if begun::abort(&remote, &path, &id).await.is_ok() {
                let _ = begun::forget(note).await;
            }
        });
    }
}
