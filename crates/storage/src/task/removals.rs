//! Removes files whose objects are gone or have another version, once downloads under way had their
//! time; and drafts of uploads that ended with their process.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Stop, Task};
use object::Key;

use crate::error::Error;
use crate::service::Service;
use crate::store::removals::{self, Due};

const EVERY: Duration = Duration::from_secs(30);
/// Drafts are looked for once in so many turns.
const TURNS: u32 = 120;

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("storage removals", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    let mut turn = 0;
    while !stop.is_stopped() {
        if turn % TURNS == 0
            && let Err(error) = service.disk.sweep().await
        {
            tracing::warn!(%error, "could not look for abandoned uploads");
        }
        turn = turn.wrapping_add(1);
        match all(&service, &stop).await {
            Ok(0) => {}
            Ok(gone) => tracing::debug!(gone, "removed files"),
            Err(error) => tracing::warn!(%error, "could not remove files"),
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes all that is due. Returns how many files.
async fn all(service: &Service, stop: &Stop) -> Result<usize, Error> {
    let mut gone = 0;
    while !stop.is_stopped() {
        let (due, mut done) = removals::due(&service.fleet).await.map_err(Error::database)?;
        let found = due.len() + done.len();
        for file in due {
            if remove(service, &file).await {
                gone += 1;
                done.push(file.id);
            }
        }
        if done.is_empty() {
            break;
        }
        removals::delete(&service.fleet, &done).await.map_err(Error::database)?;
        if done.len() < found {
            // What could not be removed waits for the next turn.
            break;
        }
    }
    Ok(gone)
}

async fn remove(service: &Service, file: &Due) -> bool {
    // Names that are no key never had a file.
    let Some(key) = Key::new(&file.bucket, &file.name, file.version.as_deref()) else { return true };
    match service.disk.remove(&key).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a file could not be removed");
            false
        }
    }
}

/// What a turn does.
pub(crate) async fn once(service: &Service) -> Result<usize, Error> {
    let (_handle, stop) = Stop::pair();
    all(service, &stop).await
}
