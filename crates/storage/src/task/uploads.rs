//! Ends uploads in parts that nobody has gone on with, and removes parts that no upload has.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Stop, Task};

use crate::error::Error;
use crate::service::Service;
use crate::store::uploads;

const EVERY: Duration = Duration::from_secs(15 * 60);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("storage uploads", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        match once(&service).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "ended uploads that were given up"),
            Err(error) => tracing::warn!(%error, "could not look for uploads that were given up"),
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What a turn does. Returns how many uploads it ended.
pub(crate) async fn once(service: &Service) -> Result<usize, Error> {
    let age = service.config().s3.upload_expiry.0;
    let mut ended = uploads::delete_old(&service.fleet, age).await.map_err(Error::database)?;
    let count = ended.len();
    let old = service.parts.older_than(age).await.map_err(|error| Error::disk(error, ""))?;
    ended.extend(uploads::unknown(&service.fleet, &old).await.map_err(Error::database)?);
    for upload in ended {
        if let Err(error) = service.parts.remove_all(&upload).await {
            tracing::warn!(%error, "parts of an upload could not be removed");
        }
    }
    Ok(count)
}
