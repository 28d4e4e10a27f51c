//! Uploads that come in several requests (TUS 1.0), and go on where they stopped, whatever stopped them.
//!
//! Until its last byte an upload is a [`object::Partial`] file with a [`Note`]; no table knows it. Then the file
//! gets its key and the row is written, as with any upload, and the note stays for a while to say so:
//! a client that did not hear the last answer asks how far it is. One whose last byte came and whose row
//! was not written (the process ended in between) is completed by whoever asks about it next.

mod complete;
mod id;
mod metadata;
mod receive;
mod seats;

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use object::Key;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::call::{Acting, Call};
use crate::error::Error;
use crate::service::Service;
use crate::store::buckets::{self, Rules};
use crate::upload::{self, Upload};
use crate::{limit, path};

use complete::completed;
pub(crate) use id::UploadId;
pub(crate) use metadata::Metadata;
pub(crate) use receive::{More, write};
pub(crate) use seats::{Held, Seats};

/// Why an upload does not go on.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// As for any upload.
    Storage(Error),
    /// There is no such upload.
    NotFound,
    /// It was given up.
    Expired,
    /// It is somewhere else.
    Offset,
    /// More bytes than were announced.
    TooMuch,
    /// More bytes are announced than are allowed.
    TooLarge,
    /// Its length is known already, or it is beyond.
    Length,
    /// Somebody else writes and does not let go.
    Busy,
    /// It is complete.
    Complete,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

/// What is remembered of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    bucket: String,
    name: String,
    /// All of its bytes; `None` as long as the client does not know.
    pub(crate) length: Option<u64>,
    /// `Upload-Metadata` as it came.
    pub(crate) metadata: String,
    /// Its object is there.
    is_complete: bool,
}

impl Note {
    fn read_metadata(&self) -> Metadata {
        Metadata::parse(&self.metadata).unwrap_or_default()
    }
}

/// Who uploads, and with what rights.
#[derive(Clone)]
pub(crate) struct Uploader {
    pub(crate) call: Rc<Call>,
    pub(crate) owner: Option<String>,
    pub(crate) upsert: bool,
    /// A signed URL's token vouches for him.
    pub(crate) as_service: bool,
}

impl Uploader {
    fn service(&self) -> &Arc<Service> {
        &self.call.service
    }

    fn acting(&self) -> Acting<'_> {
        if self.as_service { self.call.as_service() } else { self.call.as_caller() }
    }

    fn upload(&self, bucket: &str, name: &str) -> Upload {
        Upload {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            owner: self.owner.clone(),
            upsert: self.upsert,
            as_service: self.as_service,
        }
    }

    /// Asks the policies.
    async fn permit(&self, note: &Note) -> Result<(), Error> {
        let metadata = note.read_metadata();
        let mut seen = json!({});
        if let Some(content_type) = metadata.get("contentType") {
            seen["mimetype"] = content_type.into();
        }
        if let Some(length) = note.length {
            seen["contentLength"] = length.into();
        }
        let upload = self.upload(&note.bucket, &note.name);
        upload::permit(&self.acting(), &upload, seen.to_string(), metadata.of_user().as_ref()).await
    }
}

/// An upload as it stands.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: UploadId,
    pub(crate) note: Note,
    /// Bytes that are on the disk.
    pub(crate) offset: u64,
    /// When it is given up if nothing comes.
    pub(crate) expires_at: SystemTime,
}

impl State {
    pub(crate) fn is_complete(&self) -> bool {
        self.note.is_complete
    }

    /// All bytes are there.
    fn is_full(&self) -> bool {
        self.note.length == Some(self.offset)
    }
}

/// The most bytes of an upload into this bucket; a limit of nothing is none here, as upstream has it.
fn most(service: &Service, rules: &Rules) -> u64 {
    limit::effective(service.config().file_size_limit.0, rules.file_size_limit.filter(|limit| *limit > 0))
}

async fn rules(call: &Call, bucket: &str) -> Result<Rules, Error> {
    let rules = buckets::find_rules(&call.as_service(), bucket).await.map_err(Error::database)?;
    rules.ok_or(Error::NoSuchBucket)
}

/// Begins an upload.
pub(crate) async fn create(
    uploader: &Uploader,
    id: UploadId,
    length: Option<u64>,
    header: String,
) -> Result<State, Refusal> {
    let service = uploader.service();
    path::bucket(&id.bucket)?;
    service.allows(&id.name)?;
    let rules = rules(&uploader.call, &id.bucket).await?;
    if length.is_some_and(|length| length > most(service, &rules)) {
        return Err(Refusal::TooLarge);
    }
    let note = Note {
        bucket: id.bucket.clone(),
        name: id.name.clone(),
        length,
        metadata: header,
        is_complete: false,
    };
    limit::media(note.read_metadata().content_type(), &rules.allowed_mime_types)?;
    uploader.permit(&note).await?;
    let now = service.clock.now().into();
    let partial = service.disk.partial(id.version);
    partial.create(text(&note), now).await.map_err(|error| Error::disk(error, &note.name))?;
    let state = State { id, note, offset: 0, expires_at: service.resumable_until(now) };
    if !state.is_full() {
        return Ok(state);
    }
    let held = hold(service, state.id.version).await?;
    completed(uploader, state, held).await
}

/// How far an upload is. One that has all bytes and no object gets it now.
pub(crate) async fn look(uploader: &Uploader, id: UploadId) -> Result<State, Refusal> {
    let service = uploader.service();
    let state = find(service, &id).await?;
    if state.is_complete() {
        return Ok(state);
    }
    let held = hold(service, id.version).await?;
    let state = find(service, &id).await?;
    if state.is_complete() || !state.is_full() {
        return Ok(state);
    }
    uploader.permit(&state.note).await?;
    completed(uploader, state, held).await
}

/// Gives an upload up.
pub(crate) async fn terminate(uploader: &Uploader, id: UploadId) -> Result<(), Refusal> {
    let service = uploader.service();
    uploader.permit(&find(service, &id).await?.note).await?;
    let _held = hold(service, id.version).await?;
    if find(service, &id).await?.is_complete() {
        return Err(Refusal::Complete);
    }
    forget(service, id.version).await?;
    Ok(())
}

async fn find(service: &Service, id: &UploadId) -> Result<State, Refusal> {
    let found = match service.disk.partial(id.version).look().await {
        Ok(found) => found,
        Err(object::Error::NotFound) => return Err(Refusal::NotFound),
        Err(error) => return Err(Error::disk(error, &id.name).into()),
    };
    let note: Note = serde_json::from_str(&found.note).map_err(|error| Error::Internal(Box::new(error)))?;
    if note.bucket != id.bucket || note.name != id.name {
        return Err(Refusal::NotFound);
    }
    let expires_at = service.resumable_until(found.modified);
    if expires_at <= SystemTime::from(service.clock.now()) {
        return Err(Refusal::Expired);
    }
    let offset = found.size.or(note.length).unwrap_or_default();
    Ok(State { id: id.clone(), note, offset, expires_at })
}

async fn hold(service: &Service, version: Uuid) -> Result<Held, Refusal> {
    service.seats.hold(version).await.ok_or(Refusal::Busy)
}

async fn forget(service: &Service, version: Uuid) -> Result<(), Error> {
    service.seats.forget(version);
    service.disk.partial(version).forget().await.map_err(|error| Error::disk(error, ""))
}

fn text(note: &Note) -> String {
    json!(note).to_string()
}

/// Whether a file without a row belongs to an upload whose client may still come and ask for it.
pub(crate) async fn waits(service: &Service, key: &Key) -> bool {
    let Some(version) = key.version().and_then(|version| Uuid::try_parse(version).ok()) else { return false };
    service.disk.partial(version).look().await.is_ok()
}

/// Removes uploads that were given up, and notes of complete ones that nobody asks about any more.
/// Returns how many.
pub(crate) async fn sweep(service: &Service) -> Result<usize, object::Error> {
    let now = SystemTime::from(service.clock.now());
    let mut gone = 0;
    for (version, modified) in service.disk.partials().await? {
        if service.resumable_until(modified) > now {
            continue;
        }
        // Whoever writes keeps it.
        let Some(_held) = service.seats.try_hold(version) else { continue };
        let partial = service.disk.partial(version);
        match partial.look().await {
            Ok(found) if service.resumable_until(found.modified) > now => continue,
            Ok(_) | Err(object::Error::NotFound) => partial.forget().await?,
            Err(error) => return Err(error),
        }
        service.seats.forget(version);
        gone += 1;
    }
    Ok(gone)
}
