//! Removes files whose objects are gone or have another version, once downloads under way had their
//! time; files that got no row because their process ended; and drafts of uploads that ended with theirs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kernel::{Stop, Task};
use object::Key;

use crate::error::Error;
use crate::resumable;
use crate::service::Service;
use crate::store::removals::{self, Due};
use crate::store::versions;

const EVERY: Duration = Duration::from_secs(30);
/// After so long a row is written or will never be: statements and waits for locks are shorter.
const SETTLED: Duration = Duration::from_secs(120);
/// Files that are removed at once.
const AT_ONCE: usize = 16;
/// Drafts are looked for once in so many turns.
const TURNS: u32 = 120;

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("storage removals", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    let mut turn = 0;
    if let Err(error) = service.disk.greet().await {
        tracing::error!(%error, "files cannot be kept where they should be (storage.remote)");
    }
    while !stop.is_stopped() {
        if turn % TURNS == 0
            && let Err(error) = service.disk.sweep().await
        {
            tracing::warn!(%error, "could not look for abandoned uploads");
        }
        turn = turn.wrapping_add(1);
        match orphans(&service, settled(&service)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "removed files of uploads that had not ended"),
            Err(error) => tracing::warn!(%error, "could not look for files without an object"),
        }
        if let Err(error) = versions::expire(&service.fleet).await {
            tracing::warn!(%error, "could not look for versions whose time is over");
        }
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
        let (found, void) = (due.len() + done.len(), done.len());
        let removed: Vec<Result<i64, object::Error>> = stream::iter(due)
            .map(|file| async move { remove(service, &file).await.map(|()| file.id) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut failed = None;
        for removed in removed {
            match removed {
                Ok(id) => done.push(id),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            tracing::warn!(%error, left = found - done.len(), "files could not be removed");
        }
        gone += done.len() - void;
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

/// Removes files that have been there for so long and have no row. Those of a resumable upload wait for
/// its client. Returns how many.
pub(crate) async fn orphans(service: &Service, age: Duration) -> Result<usize, Error> {
    let on_disk = |error| Error::disk(error, "");
    let files = service.disk.announced(age).await.map_err(on_disk)?;
    let mut gone = 0;
    for some in files.chunks(100) {
        let have_rows = removals::have_rows(&service.fleet, some).await.map_err(Error::database)?;
        for (key, has_row) in some.iter().zip(have_rows) {
            if has_row {
                service.disk.keep(key.clone());
            } else if !resumable::waits(service, key).await {
                service.disk.remove(key).await.map_err(on_disk)?;
                gone += 1;
            }
        }
    }
    Ok(gone)
}

async fn remove(service: &Service, file: &Due) -> Result<(), object::Error> {
    // Names that are no key never had a file.
    let Some(key) = Key::new(&file.bucket, &file.name, file.version.as_deref()) else { return Ok(()) };
    service.disk.remove(&key).await?;
    forget(service, key).await;
    Ok(())
}

/// Pictures that were made of the file.
async fn forget(service: &Service, key: Key) {
    let cache = Arc::clone(&service.renderer.cache);
    if tokio::task::spawn_blocking(move || cache.forget(&key)).await.is_err() {
        tracing::warn!("pictures of a file that is gone could not be removed");
    }
}

/// How long it may take until a file has its row.
fn settled(service: &Service) -> Duration {
    SETTLED + service.disk.patience()
}

/// What a turn has done.
pub(crate) struct Swept {
    pub(crate) versions: u64,
    pub(crate) files: usize,
}

/// What a turn does.
pub(crate) async fn once(service: &Service) -> Result<Swept, Error> {
    orphans(service, settled(service)).await?;
    let (_handle, stop) = Stop::pair();
    let versions = versions::expire(&service.fleet).await.map_err(Error::database)?;
    Ok(Swept { versions, files: all(service, &stop).await? })
}
