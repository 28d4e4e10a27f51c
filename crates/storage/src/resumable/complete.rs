//! The end of an upload: its file gets its key, then its row is written.

use object::{Key, Labels};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Held, Refusal, State, UploadId, Uploader, forget, text};
use crate::call::Call;
use crate::error::{Error, Existing};
use crate::store::objects::{self, NewObject};
use crate::upload;

/// As [`complete`], even if the client goes away.
pub(super) async fn completed(uploader: &Uploader, state: State, held: Held) -> Result<State, Refusal> {
    let uploader = uploader.clone();
    let completed = actix_web::rt::spawn(async move { complete(uploader, state, held).await });
    completed.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// The last byte came: the file gets its key, then the row is written.
pub(super) async fn complete(uploader: Uploader, mut state: State, mut held: Held) -> Result<State, Refusal> {
    let service = uploader.service();
    let State { id, note, .. } = &mut state;
    let partial = service.disk.partial(id.version);
    let version = id.version.to_string();
    let key = Key::new(&id.bucket, &id.name, Some(&version)).ok_or_else(|| upload::invalid(&id.name))?;
    let is_written = match service.disk.partial(id.version).look().await {
        Ok(found) if found.size.is_none() => has_object(&uploader.call, id, &version).await?,
        _ => false,
    };
    if !is_written {
        let metadata = note.read_metadata();
        let labels = Labels {
            content_type: metadata.content_type().to_owned(),
            cache_control: metadata.cache_control(),
        };
        let stored = partial.finish(key.clone(), labels.clone(), held.progress.take()).await;
        let stored = stored.map_err(|error| Error::disk(error, &id.name))?;
        let user_metadata = metadata.of_user().filter(Value::is_object).unwrap_or_else(|| json!({}));
        let object = NewObject {
            bucket: &id.bucket,
            name: &id.name,
            owner: uploader.owner.as_deref(),
            version: &version,
            metadata: upload::file_metadata(&stored, &labels).to_string(),
            user_metadata: Some(user_metadata.to_string()),
        };
        write_row(&uploader, &object, &key, id.version).await?;
    }
    note.is_complete = true;
    if let Err(error) = partial.remember(text(note), service.clock.now().into()).await {
        // Whoever asks finds the row.
        tracing::warn!(%error, "a complete upload could not be marked as such");
    }
    service.seats.forget(id.version);
    Ok(state)
}

/// Whether the object of an upload is there, whatever its note says.
async fn has_object(call: &Call, id: &UploadId, version: &str) -> Result<bool, Error> {
    let row = objects::find(&call.as_service(), &id.bucket, &id.name).await.map_err(Error::database)?;
    Ok(row.is_some_and(|row| row.version.as_deref() == Some(version)))
}

/// Writes the row. An upload that can never have one is gone with its file; after any other failure the
/// client may try again.
async fn write_row(
    uploader: &Uploader,
    object: &NewObject<'_>,
    key: &Key,
    version: Uuid,
) -> Result<(), Error> {
    let service = uploader.service();
    let delay = service.removal_delay();
    let written = objects::write(&uploader.call.as_service(), object, uploader.upsert, &delay).await;
    let error = match written.map_err(Error::making(Existing::Key)) {
        Ok(_) => {
            upload::conclude(service, key, Ok(true)).await;
            return Ok(());
        }
        Err(error) => error,
    };
    let is_final =
        matches!(error, Error::Exists(_) | Error::RelatedMissing | Error::AccessDenied(_) | Error::Raised(_));
    if is_final {
        upload::conclude(service, key, Ok(false)).await;
        forget(service, version).await?;
    }
    Err(error)
}
