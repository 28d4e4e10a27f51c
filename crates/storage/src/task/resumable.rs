//! Gives up resumable uploads that nobody has gone on with for too long.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Stop, Task};

use crate::resumable;
use crate::service::Service;

const EVERY: Duration = Duration::from_secs(5 * 60);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("resumable uploads", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        match resumable::sweep(&service).await {
            Ok(0) => {}
            Ok(gone) => tracing::debug!(gone, "gave up uploads"),
            Err(error) => tracing::warn!(%error, "could not look for uploads that were given up"),
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
