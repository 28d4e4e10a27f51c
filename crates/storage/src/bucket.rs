//! The end of a bucket.

use crate::call::{Call, Work};
use crate::error::Error;
use crate::store::{buckets, objects, uploads};

/// Deletes a bucket that has no objects. Uploads in parts that are under way end with it.
///
/// # Errors
///
/// [`Error::NoSuchBucket`], [`Error::NotEmpty`].
pub(crate) async fn delete(call: &Call, id: &str) -> Result<(), Error> {
    let mut work = Work::begin(&call.service).await.map_err(Error::database)?;
    let as_service = call.as_service();
    let found = buckets::lock(&mut work, &as_service, id).await.map_err(Error::database)?;
    if !found {
        work.rollback().await.map_err(Error::database)?;
        return Err(Error::NoSuchBucket);
    }
    if objects::exist(&mut work, &as_service, id).await.map_err(Error::database)? {
        work.rollback().await.map_err(Error::database)?;
        return Err(Error::NotEmpty);
    }
    let ended = uploads::delete_all(&mut work, &as_service, id).await.map_err(Error::database)?;
    let deleted = buckets::delete(&mut work, &call.as_caller(), id).await.map_err(Error::database)?;
    if !deleted {
        work.rollback().await.map_err(Error::database)?;
        return Err(Error::NoSuchBucket);
    }
    work.commit().await.map_err(Error::database)?;
    for upload in ended {
        if let Err(error) = call.service.parts.remove_all(&upload).await {
            tracing::warn!(%error, "parts of an upload could not be removed");
        }
    }
    Ok(())
}
