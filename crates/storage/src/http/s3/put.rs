//! `PutObject`: policies, then bytes, then all that was promised of them, then the row.

use std::rc::Rc;

use actix_web::HttpResponse;
use object::{Incoming, Key};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Asked;
use super::describe::{Described, set, tell_checksum};
use crate::call::Call;
use crate::error::{Error as Cause, Existing};
use crate::file::FileMetadata;
use crate::s3::content::{Content, Proven};
use crate::s3::error::Error;
use crate::s3::whole::Whole;
use crate::store::buckets;
use crate::store::objects::{self, NewObject, ObjectRow};
use crate::upload::{self, Upload};
use crate::{limit, path};

/// Bytes of a key.
const LONGEST_KEY: usize = 1024;

/// On what a write depends.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    None,
    /// There is no such object.
    Absent,
    /// The object there has this tag.
    Matches(String),
    /// The object there, if any, has another tag.
    Differs(String),
}

impl Condition {
    pub(super) fn read(asked: &Asked) -> Result<Self, Error> {
        match (asked.header("if-none-match"), asked.header("if-match")) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Absent),
            (Some(tag), None) => Ok(Self::Differs(quoted(tag))),
            (None, Some(tag)) => Ok(Self::Matches(quoted(tag))),
            _ => Err(Error::NotImplemented),
        }
    }
}

fn quoted(tag: &str) -> String {
    let bare = tag.trim().trim_start_matches("W/").trim_matches('"');
    if bare == "*" { bare.to_owned() } else { format!("\"{bare}\"") }
}

/// An object that may be put where it is to go.
pub(super) struct Target {
    pub(super) upload: Upload,
    pub(super) limit: u64,
}

/// Asks bucket and policies whether an object may go here.
pub(super) async fn target(asked: &Asked, described: &Described, size: Option<u64>) -> Result<Target, Error> {
    let call = &asked.call;
    let rules = buckets::find_rules(&call.as_service(), &asked.bucket).await.map_err(Error::database)?;
    let rules = rules.ok_or(Cause::NoSuchBucket)?;
    let name = match asked.key.ends_with('/') && size == Some(0) {
        true => format!("{}.emptyFolderPlaceholder", asked.key),
        false => asked.key.clone(),
    };
    let limit = limit::effective(call.service.config().file_size_limit.0, rules.file_size_limit);
    if size.is_some_and(|size| size > limit) {
        return Err(Cause::EntityTooLarge("object").into());
    }
    if !path::is_empty_folder(&name) {
        limit::media(&described.labels.content_type, &rules.allowed_mime_types)?;
    }
    if name.len() > LONGEST_KEY {
        return Err(Error::KeyTooLong);
    }
    call.service.allows(&name)?;
    let mut seen = json!({ "mimetype": described.labels.content_type });
    if let Some(size) = size {
        seen["contentLength"] = size.into();
    }
    let owner = call.owner().map(str::to_owned);
    let upload = Upload { bucket: asked.bucket.clone(), name, owner, upsert: true, as_service: false };
    upload::permit(&call.as_caller(), &upload, seen.to_string(), Some(&described.user_metadata)).await?;
    Ok(Target { upload, limit })
}

/// `PutObject`
pub(super) async fn put(asked: &mut Asked) -> Result<HttpResponse, Error> {
    let mut content = asked.content()?;
    let stored = store(asked, &mut content).await;
    if stored.is_err() {
        content.drain().await;
    }
    let (row, whole) = stored?;
    let mut answer = HttpResponse::Ok();
    let etag = FileMetadata::of(&row).etag.unwrap_or_default();
    set(&mut answer, "etag", etag.as_bytes());
    if let Some(whole) = &whole {
        tell_checksum(&mut answer, whole.agreed, &whole.value);
    }
    Ok(answer.finish())
}

async fn store(asked: &Asked, content: &mut Content) -> Result<(ObjectRow, Option<Whole>), Error> {
    let described = Described::read(&asked.request, &asked.query)?;
    let condition = Condition::read(asked)?;
    let Target { upload, limit } = target(asked, &described, Some(content.size())).await?;
    let version = Uuid::new_v4().to_string();
    let key = Key::new(&upload.bucket, &upload.name, Some(&version))
        .ok_or_else(|| upload::invalid(&upload.name))?;
    let incoming = asked.service().disk.create(key.clone(), described.labels.clone());
    let incoming = receive(content, incoming, limit, &upload.name).await?;
    let proven = content.prove()?;
    let call = Rc::clone(&asked.call);
    // From here on the client may go away: what has begun is brought to its end.
    let settled = actix_web::rt::spawn(async move {
        settle(&call, &upload, key, incoming, &described, proven, &condition).await
    });
    settled.await.map_err(|error| Cause::Internal(Box::new(error)))?
}

/// Takes a body to the disk.
pub(super) async fn receive(
    content: &mut Content,
    mut incoming: Incoming,
    limit: u64,
    name: &str,
) -> Result<Incoming, Error> {
    while let Some(bytes) = content.next().await? {
        if incoming.size() + bytes.len() as u64 > limit {
            return Err(Cause::EntityTooLarge("object").into());
        }
        incoming = incoming.write(&bytes).await.map_err(|error| Cause::disk(error, name))?;
    }
    Ok(incoming)
}

pub(super) async fn settle(
    call: &Call,
    upload: &Upload,
    key: Key,
    incoming: Incoming,
    described: &Described,
    proven: Proven,
    condition: &Condition,
) -> Result<(ObjectRow, Option<Whole>), Error> {
    let stored = incoming.finish(described.labels.clone()).await;
    let stored = stored.map_err(|error| Cause::disk(error, &upload.name))?;
    if proven.md5.is_some_and(|md5| hex::encode(md5) != stored.md5) {
        upload::conclude(&call.service, &key, Ok(false)).await;
        return Err(Error::BadDigest);
    }
    let etag = format!("\"{}\"", stored.md5);
    let whole = proven.checksum.map(|(algorithm, value)| Whole::of_bytes(algorithm, value));
    let metadata = described.metadata(&etag, stored.size, stored.modified, whole.as_ref());
    let metadata = Value::Object(metadata).to_string();
    let row = commit(call, upload, &key, metadata, &described.user_metadata, condition).await?;
    Ok((row, whole))
}

/// Writes the row of a file that is there. Without one the file goes.
pub(super) async fn commit(
    call: &Call,
    upload: &Upload,
    key: &Key,
    metadata: String,
    user_metadata: &Value,
    condition: &Condition,
) -> Result<ObjectRow, Error> {
    let object = NewObject {
        bucket: &upload.bucket,
        name: &upload.name,
        owner: upload.owner.as_deref(),
        version: key.version().unwrap_or_default(),
        metadata,
        user_metadata: Some(user_metadata.to_string()),
    };
    let delay = call.service.removal_delay();
    let service = call.as_service();
    let written = match condition {
        Condition::None => objects::write(&service, &object, true, &delay).await.map(Some),
        Condition::Differs(tag) => match current(call, upload).await {
            Ok(Some(known)) if known == *tag => Ok(None),
            Ok(_) => objects::write(&service, &object, true, &delay).await.map(Some),
            Err(error) => Err(error),
        },
        Condition::Absent => objects::write(&service, &object, false, &delay).await.map(Some),
        Condition::Matches(tag) => objects::write_over(&service, &object, tag, &delay).await,
    };
    upload::conclude(&call.service, key, written.as_ref().map(Option::is_some)).await;
    match written.map_err(Cause::making(Existing::Key)) {
        Ok(Some(row)) => Ok(row),
        Ok(None) => match current(call, upload).await.map_err(Error::database)? {
            Some(_) => Err(Error::PreconditionFailed),
            None => Err(Cause::NoSuchKey.into()),
        },
        Err(Cause::Exists(_)) => Err(Error::PreconditionFailed),
        Err(error) => Err(error.into()),
    }
}

/// The tag of the object that is there now.
async fn current(call: &Call, upload: &Upload) -> Result<Option<String>, db::Error> {
    let row = objects::find(&call.as_service(), &upload.bucket, &upload.name).await?;
    Ok(row.map(|row| FileMetadata::of(&row).etag.unwrap_or_default()))
}
