//! Uploads in parts that have begun at the server: a server keeps their parts, unseen, until somebody
//! completes or ends them. Each is noted beside the drafts until one of the two is done; a note that
//! nobody has touched for long is of a process that ended.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use object_store::multipart::MultipartStore;
use object_store::path::Path as Object;
use uuid::Uuid;

use super::Remote;
use crate::disk::make_directory;
use crate::store::Place;
use crate::{Error, blocking};

const KIND: &str = "begun";

pub(crate) fn is_note(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == KIND)
}

/// Notes that an upload has begun.
pub(super) async fn note(place: &Arc<Place>, path: &Object, id: &str) -> Result<PathBuf, Error> {
    let (place, text) = (Arc::clone(place), format!("{path}\0{id}"));
    blocking(move || {
        let note = place.drafts.join(format!("{}.{KIND}", Uuid::new_v4()));
        match fs::write(&note, &text) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_directory(&place.drafts)?;
                fs::write(&note, text)?;
            }
            written => written?,
        }
        Ok(note)
    })
    .await
}

/// Says that it goes on.
pub(super) async fn touch(note: PathBuf) -> Result<(), Error> {
    blocking(move || Ok(fs::File::options().append(true).open(note)?.set_modified(SystemTime::now())?)).await
}

/// It is over.
pub(super) async fn forget(note: PathBuf) -> Result<(), Error> {
    blocking(move || match fs::remove_file(note) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })
    .await
}

/// Ends the upload of a note that was left behind.
pub(crate) async fn end(remote: &Remote, note: PathBuf) -> Result<(), Error> {
    let text = {
        let note = note.clone();
        blocking(move || Ok(fs::read_to_string(note)?)).await?
    };
    if let Some((path, id)) = text.split_once('\0')
        && let Ok(path) = Object::parse(path)
    {
        abort(remote, &path, id).await?;
    }
    forget(note).await
}

/// Ends an upload. That there is none is fine.
pub(super) async fn abort(remote: &Remote, path: &Object, id: &str) -> Result<(), Error> {
    match remote.store().abort_multipart(path, &id.to_owned()).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
