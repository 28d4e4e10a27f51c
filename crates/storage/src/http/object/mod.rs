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
use crate::store::objects::{self, ObjectRow};

/// A bucket and what is in it by a name.
pub(super) struct Found {
    is_public: bool,
    /// Whoever asks; or why there is none.
    pub(super) object: Result<ObjectRow, Error>,
}

/// A bucket that exists, and the object in it. That the name is none is told after the bucket.
pub(super) async fn find(call: &Call, bucket: &str, name: &str) -> Result<Found, Error> {
    let valid = call.service.allows(name);
    let name = if valid.is_ok() { name } else { "" };
    let found = objects::find_in_bucket(&call.as_service(), bucket, name).await.map_err(Error::database)?;
    let found = found.ok_or(Error::NoSuchBucket)?;
    let object = valid.and_then(|()| found.object.ok_or(Error::NoSuchKey));
    Ok(Found { is_public: found.is_public, object })
}

/// The object at a URL that needs no policy if its bucket is public; otherwise the caller's decide. Both
/// are asked at once.
async fn readable(call: &Call, bucket: &str, name: &str) -> Result<ObjectRow, Error> {
    let valid = call.service.allows(name);
    if valid.is_err() || !call.is_authenticated() {
        let found = find(call, bucket, name).await?;
        return match valid {
            _ if found.is_public => found.object,
            Err(error) if call.is_authenticated() => Err(error),
            _ => Err(Error::NoSuchBucket),
        };
    }
    let asked = objects::find_for(&call.as_service(), &call.as_caller(), bucket, name).await;
    let (found, seen) = asked.map_err(Error::database)?;
    let found = found.ok_or(Error::NoSuchBucket)?;
    let object = if found.is_public { found.object } else { seen.map_err(Error::database)? };
    object.ok_or(Error::NoSuchKey)
}

/// The object at a URL for public buckets alone.
pub(super) async fn public(call: &Call, bucket: &str, name: &str) -> Result<ObjectRow, Error> {
    match find(call, bucket, name).await? {
        Found { is_public: true, object } => object,
        Found { .. } => Err(Error::NoSuchBucket),
    }
}
