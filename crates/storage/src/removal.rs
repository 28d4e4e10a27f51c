//! The end of objects.

use crate::call::{Call, Work};
use crate::error::Error;
use crate::store::objects::{self, ObjectRow};
use crate::store::removals::{self, Gone};

/// Objects that one transaction deletes.
const BATCH: usize = 500;

/// Deletes those of some objects that there are and that are for the caller to delete, and returns them.
///
/// # Errors
///
/// What the database said; what was deleted before is.
pub(crate) async fn delete(call: &Call, bucket: &str, names: &[String]) -> Result<Vec<ObjectRow>, Error> {
    let delay = call.service.removal_delay();
    let mut all: Vec<ObjectRow> = Vec::new();
    for batch in names.chunks(BATCH) {
        let mut work = Work::begin(&call.service).await.map_err(Error::database)?;
        let deleted =
            objects::delete(&mut work, &call.as_caller(), bucket, batch).await.map_err(Error::database)?;
        let gone: Vec<Gone> =
            deleted.iter().map(|row| Gone { name: row.name.clone(), version: row.version.clone() }).collect();
        if !gone.is_empty() {
            let acting = call.as_service();
            removals::insert(&mut work, &acting, bucket, &gone, &delay).await.map_err(Error::database)?;
        }
        work.commit().await.map_err(Error::database)?;
        all.extend(deleted);
    }
    Ok(all)
}
