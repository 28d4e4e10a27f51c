//! Objects that go elsewhere within the store: moved, or copied.

use std::rc::Rc;

use object::Key;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::call::Call;
use crate::error::Error;
use crate::file::FileMetadata;
use crate::limit;
use crate::store::buckets;
use crate::store::objects::{self, Move, NewObject, ObjectRow};
use crate::upload::{self, Upload};

/// How often a move is tried when the object changes under it.
const ATTEMPTS: u32 = 5;

/// From where to where.
pub(crate) struct Way {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) to_bucket: String,
    pub(crate) to_name: String,
}

/// What a copy has of its own.
#[derive(Default)]
pub(crate) struct Changes {
    /// The caller's metadata and all else are those of the source.
    pub(crate) keeps_all: bool,
    pub(crate) cache_control: Option<String>,
    pub(crate) mimetype: Option<String>,
    pub(crate) user_metadata: Option<Value>,
    /// Further members of `metadata`, whatever the source has; null takes one away.
    pub(crate) others: Map<String, Value>,
    pub(crate) upsert: bool,
}

/// Moves an object.
///
/// # Errors
///
/// Whatever is in the way; then it is where it was.
pub(crate) async fn relocate(call: &Rc<Call>, way: Way) -> Result<(), Error> {
    call.service.allows(&way.to_name)?;
    let owner = call.owner().map(str::to_owned);
    let version = Uuid::new_v4().to_string();
    let probe = way.to_row(&version, owner.as_deref());
    if !objects::probe_move(&call.as_caller(), &probe).await.map_err(Error::database)? {
        return Err(Error::NoSuchKey);
    }
    if way.bucket == way.to_bucket && way.name == way.to_name {
        return Ok(());
    }
    let call = Rc::clone(call);
    let moving = actix_web::rt::spawn(async move {
        for _ in 0..ATTEMPTS {
            if relocate_once(&call, &way, owner.as_deref()).await? {
                return Ok(());
            }
        }
        Err(Error::Locked)
    });
    moving.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// False if the object has changed meanwhile.
async fn relocate_once(call: &Call, way: &Way, owner: Option<&str>) -> Result<bool, Error> {
    let service = call.as_service();
    let source = objects::find(&service, &way.bucket, &way.name).await.map_err(Error::database)?;
    let source = source.ok_or(Error::NoSuchKey)?;
    let version = Uuid::new_v4().to_string();
    let from = key(&way.bucket, &way.name, source.version.as_deref())?;
    let to = key(&way.to_bucket, &way.to_name, Some(&version))?;
    let labels = FileMetadata::of(&source).labels();
    let disk = &call.service.disk;
    disk.link(&from, to.clone(), labels).await.map_err(|error| Error::disk(error, &way.to_name))?;
    let delay = call.service.removal_delay();
    let row = way.to_row(&version, owner);
    let moved = objects::rename(&service, &row, source.version.as_deref(), &delay).await;
    upload::conclude(&call.service, &to, moved.as_ref().copied()).await;
    moved.map_err(Error::database)
}

/// Copies an object.
///
/// # Errors
///
/// Whatever is in the way; then nothing is left of the copy.
pub(crate) async fn copy(call: &Rc<Call>, way: Way, changes: Changes) -> Result<ObjectRow, Error> {
    call.service.allows(&way.to_name)?;
    let source = objects::find(&call.as_caller(), &way.bucket, &way.name).await.map_err(Error::database)?;
    let source = source.ok_or(Error::NoSuchKey)?;
    let metadata = changed(&source, &changes);
    let user_metadata = match changes.keeps_all {
        true => source.user_metadata.as_ref().and_then(|json| serde_json::from_str(json.get()).ok()),
        false => changes.user_metadata.clone(),
    };
    obey(call, &way.to_bucket, &metadata).await?;
    let upload = Upload {
        bucket: way.to_bucket.clone(),
        name: way.to_name.clone(),
        owner: call.owner().map(str::to_owned),
        upsert: changes.upsert,
        as_service: false,
    };
    let seen = Value::Object(metadata.clone()).to_string();
    upload::permit(&call.as_caller(), &upload, seen, user_metadata.as_ref()).await?;
    let call = Rc::clone(call);
    let copying = actix_web::rt::spawn(async move {
        let from = key(&way.bucket, &way.name, source.version.as_deref())?;
        settle(&call, &upload, &from, metadata, user_metadata).await
    });
    copying.await.map_err(|error| Error::Internal(Box::new(error)))?
}

async fn settle(
    call: &Call,
    upload: &Upload,
    from: &Key,
    mut metadata: Map<String, Value>,
    user_metadata: Option<Value>,
) -> Result<ObjectRow, Error> {
    let version = Uuid::new_v4().to_string();
    let to = key(&upload.bucket, &upload.name, Some(&version))?;
    let labels = FileMetadata::read(&metadata).labels();
    let copied = call.service.disk.copy(from, to.clone(), labels).await;
    let copied = copied.map_err(|error| Error::disk(error, &upload.name))?;
    metadata.insert("lastModified".to_owned(), upload::moment(copied).into());
    let object = NewObject {
        bucket: &upload.bucket,
        name: &upload.name,
        owner: upload.owner.as_deref(),
        version: &version,
        metadata: Value::Object(metadata).to_string(),
        user_metadata: user_metadata.map(|document| document.to_string()),
    };
    upload::commit(call, &object, upload.upsert, &to).await
}

/// The metadata of the source with what the copy has of its own.
fn changed(source: &ObjectRow, changes: &Changes) -> Map<String, Value> {
    let text = source.metadata.as_ref().map(|json| json.get()).unwrap_or_default();
    let mut metadata: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    if !changes.keeps_all {
        for (name, value) in [("cacheControl", &changes.cache_control), ("mimetype", &changes.mimetype)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.as_str().into());
            }
        }
    }
    for (name, value) in &changes.others {
        match value {
            Value::Null => metadata.remove(name),
            value => metadata.insert(name.clone(), value.clone()),
        };
    }
    metadata
}

/// A copy is bound by the rules of its bucket, as an upload is. One that does not exist has none; the
/// database says so.
async fn obey(call: &Call, bucket: &str, metadata: &Map<String, Value>) -> Result<(), Error> {
    let rules = buckets::find_rules(&call.as_service(), bucket).await.map_err(Error::database)?;
    let Some(rules) = rules else { return Ok(()) };
    let file = FileMetadata::read(metadata);
    let most = limit::effective(call.service.config().file_size_limit.0, rules.file_size_limit);
    if file.size.is_some_and(|size| size > most) {
        return Err(Error::EntityTooLarge("object"));
    }
    limit::media(&file.labels().content_type, &rules.allowed_mime_types)
}

fn key(bucket: &str, name: &str, version: Option<&str>) -> Result<Key, Error> {
    Key::new(bucket, name, version).ok_or_else(|| upload::invalid(name))
}

impl Way {
    fn to_row<'a>(&'a self, version: &'a str, owner: Option<&'a str>) -> Move<'a> {
        Move {
            bucket: &self.bucket,
            name: &self.name,
            to_bucket: &self.to_bucket,
            to_name: &self.to_name,
            version,
            owner,
        }
    }
}
