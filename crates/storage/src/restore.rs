//! Versions that become objects again.

use std::rc::Rc;

use object::Key;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::call::Call;
use crate::error::Error;
use crate::file::FileMetadata;
use crate::store::objects::{NewObject, ObjectRow};
use crate::store::versions::{self, VersionRow};
use crate::upload::{self, Upload};

/// Makes a version the object of its name, if the caller can see it and could upload it.
///
/// # Errors
///
/// Whatever is in the way; then all is as it was.
pub(crate) async fn restore(call: &Rc<Call>, bucket: &str, id: &str) -> Result<ObjectRow, Error> {
    let row = versions::find(&call.as_caller(), bucket, id).await.map_err(Error::database)?;
    let row = row.ok_or(Error::NoSuchKey)?;
    let upload = Upload {
        bucket: row.bucket_id.clone(),
        name: row.name.clone(),
        // The service does not take it from whom it was.
        owner: call.owner().map(str::to_owned).or_else(|| row.owner_id.clone()),
        upsert: true,
        as_service: false,
    };
    let user_metadata: Option<Value> =
        row.user_metadata.as_ref().and_then(|json| serde_json::from_str(json.get()).ok());
    let seen = Value::Object(metadata(&row)).to_string();
    upload::permit(&call.as_caller(), &upload, seen, user_metadata.as_ref()).await?;
    let call = Rc::clone(call);
    // From here on the client may go away: what has begun is brought to its end.
    let settling = actix_web::rt::spawn(async move { settle(&call, &upload, row, user_metadata).await });
    settling.await.map_err(|error| Error::Internal(Box::new(error)))?
}

async fn settle(
    call: &Call,
    upload: &Upload,
    row: VersionRow,
    user_metadata: Option<Value>,
) -> Result<ObjectRow, Error> {
    let metadata = metadata(&row);
    let key = |version: Option<&str>| {
        Key::new(&row.bucket_id, &row.name, version).ok_or_else(|| upload::invalid(&row.name))
    };
    let version = Uuid::new_v4().to_string();
    let (from, to) = (key(row.version.as_deref())?, key(Some(&version))?);
    let labels = FileMetadata::read(&metadata).labels();
    let linked = call.service.disk.link(&from, to.clone(), labels).await;
    linked.map_err(|error| Error::disk(error, &row.name))?;
    let object = NewObject {
        bucket: &row.bucket_id,
        name: &row.name,
        owner: upload.owner.as_deref(),
        version: &version,
        metadata: Value::Object(metadata).to_string(),
        user_metadata: user_metadata.map(|document| document.to_string()),
    };
    let written = upload::commit(call, &object, true, &to).await?;
    // If this does not come to pass, the version stays until it expires.
    versions::forget(&call.service.fleet, &row.id).await.map_err(Error::database)?;
    Ok(written)
}

fn metadata(row: &VersionRow) -> Map<String, Value> {
    let text = row.metadata.as_ref().map(|json| json.get()).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}
