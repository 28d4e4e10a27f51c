//! Uploads that come in several requests (TUS 1.0), and go on where they stopped, whatever stopped them.
//!
//! Until its last byte an upload is a [`object::Partial`] file with a [`Note`]; no table knows it. Then the file
//! gets its key and the row is written, as with any upload, and the note stays for a while to say so:
//! a client that did not hear the last answer asks how far it is. One whose last byte came and whose row
//! was not written (the process ended in between) is completed by whoever asks about it next.

mod id;
mod metadata;
mod seats;

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use object::{Key, Labels, Tail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Acting, Call};
use crate::error::{Error, Existing};
use crate::service::Service;
use crate::store::buckets::{self, Rules};
use crate::store::objects::{self, NewObject};
use crate::upload::body::Body;
use crate::upload::{self, Upload};
use crate::{limit, path};

pub(crate) use id::UploadId;
pub(crate) use metadata::Metadata;
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

/// More bytes, from an offset on.
pub(crate) struct More {
    pub(crate) offset: u64,
    /// Of the body, if it is known.
    pub(crate) size: Option<u64>,
    /// Of the whole, if it was not known.
    pub(crate) length: Option<u64>,
}

/// Takes more bytes. Those that came are kept, whatever ends the request.
pub(crate) async fn write(
    uploader: &Uploader,
    id: UploadId,
    more: More,
    body: &mut Option<Body>,
) -> Result<State, Refusal> {
    let service = uploader.service();
    uploader.permit(&find(service, &id).await?.note).await?;
    let held = hold(service, id.version).await?;
    let mut state = find(service, &id).await?;
    if state.offset != more.offset {
        return Err(Refusal::Offset);
    }
    if state.is_complete() {
        return Ok(state);
    }
    if let Some(length) = more.length {
        declare(uploader, &mut state, length).await?;
    }
    let most = match state.note.length {
        Some(length) => length,
        None => most(service, &rules(&uploader.call, &id.bucket).await?),
    };
    if more.size.is_some_and(|size| size > most.saturating_sub(state.offset)) {
        return Err(Refusal::TooMuch);
    }
    if state.is_full() {
        return completed(uploader, state, held).await;
    }
    let Some(body) = body.take() else { return Ok(state) };
    let uploader = uploader.clone();
    // From here on the client may go away: what has come is kept, and what is complete is completed.
    let written = actix_web::rt::spawn(async move { receive(uploader, state, held, body, most).await });
    written.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// The length of an upload that began without one.
async fn declare(uploader: &Uploader, state: &mut State, length: u64) -> Result<(), Refusal> {
    let service = uploader.service();
    if state.note.length.is_some() || length < state.offset {
        return Err(Refusal::Length);
    }
    if length > most(service, &rules(&uploader.call, &state.id.bucket).await?) {
        return Err(Refusal::TooLarge);
    }
    state.note.length = Some(length);
    let partial = service.disk.partial(state.id.version);
    let remembered = partial.remember(text(&state.note), service.clock.now().into()).await;
    remembered.map_err(|error| Error::disk(error, &state.id.name))?;
    Ok(())
}

/// How a body ended.
enum End {
    Whole,
    /// Another request wants to write.
    Wanted,
    TooMuch,
    Gone(Error),
}

async fn receive(
    uploader: Uploader,
    mut state: State,
    mut held: Held,
    mut body: Body,
    most: u64,
) -> Result<State, Refusal> {
    let service = uploader.service();
    let on_disk = |error| Error::disk(error, &state.id.name);
    let partial = service.disk.partial(state.id.version);
    // It is put back once all of it is on the disk.
    let progress = held.progress.take();
    let tail = partial.append(progress).await.map_err(on_disk)?;
    let (end, tail) = pour(&mut body, &mut held, most, tail).await.map_err(on_disk)?;
    let now = service.clock.now().into();
    let (offset, progress) = tail.close(now).await.map_err(on_disk)?;
    *held.progress = Some(progress);
    state.offset = offset;
    state.expires_at = service.resumable_until(now);
    match end {
        End::Whole | End::Wanted if state.is_full() => complete(uploader, state, held).await,
        End::Whole | End::Wanted => Ok(state),
        End::TooMuch => {
            drop(held);
            body.drain().await;
            Err(Refusal::TooMuch)
        }
        End::Gone(error) => Err(error.into()),
    }
}

/// The body into the file. Bytes that are here already come before whoever else wants to write, up to a
/// limit: mostly that one's connection is the one that works.
async fn pour(
    body: &mut Body,
    held: &mut Held,
    most: u64,
    mut tail: Tail,
) -> Result<(End, Tail), object::Error> {
    let mut since_wanted = 0;
    loop {
        let piece = tokio::select! {
            biased;
            piece = body.next() => piece,
            () = held.is_wanted() => return Ok((End::Wanted, tail)),
        };
        match piece {
            Ok(Some(bytes)) if tail.size() + bytes.len() as u64 > most => return Ok((End::TooMuch, tail)),
            Ok(Some(bytes)) => {
                if held.is_wanted_now() {
                    since_wanted += bytes.len();
                }
                tail = tail.write(&bytes).await?;
            }
            Ok(None) => return Ok((End::Whole, tail)),
            Err(error) => return Ok((End::Gone(error), tail)),
        }
        if since_wanted > COURTESY {
            return Ok((End::Wanted, tail));
        }
    }
}

/// Bytes that a writer may still bring home when another one waits.
const COURTESY: usize = 4 * 1024 * 1024;

/// As [`complete`], even if the client goes away.
async fn completed(uploader: &Uploader, state: State, held: Held) -> Result<State, Refusal> {
    let uploader = uploader.clone();
    let completed = actix_web::rt::spawn(async move { complete(uploader, state, held).await });
    completed.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// The last byte came: the file gets its key, then the row is written.
async fn complete(uploader: Uploader, mut state: State, mut held: Held) -> Result<State, Refusal> {
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
