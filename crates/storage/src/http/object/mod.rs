//! `/object`

pub(super) mod copy;
pub(super) mod download;
pub(super) mod info;
pub(super) mod list;
pub(super) mod list_v2;
pub(super) mod relocate;
pub(super) mod remove;
pub(super) mod sign;
pub(super) mod upload;
pub(super) mod upload_sign;

use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::store::objects::{self, ObjectRow};

/// The object at a URL that needs no policy if its bucket is public; otherwise the caller's decide.
async fn readable(call: &Call, bucket: &str, name: &str) -> Result<ObjectRow, Error> {
    let found = objects::find_in_bucket(&call.as_service(), bucket, name).await.map_err(Error::database)?;
    let found = found.ok_or(Error::NoSuchBucket)?;
    if !found.is_public && !call.is_authenticated() {
        return Err(Error::NoSuchBucket);
    }
    path::object(name)?;
    let object = match found.is_public {
        true => found.object,
        false => objects::find(&call.as_caller(), bucket, name).await.map_err(Error::database)?,
    };
    object.ok_or(Error::NoSuchKey)
}
