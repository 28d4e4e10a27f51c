//! Files that have their key, while nobody knows yet whether a row has them.
//!
//! A file gets its key before its row is written, so a process that ends in between leaves a file that
//! nothing refers to. Each such file is announced beside before it gets its key, until the caller says
//! that it is kept or removes it; what is announced for long is an orphan, unless there is a row. So
//! orphans are found without looking at all files, and no file is ever suspected that was not written
//! here: a volume may be older than the tables that tell of it.
//!
//! Announcements are not forced to disk. A power cut may lose one, and then a file stays for good: that
//! costs room, and no content.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::disk::make_directory;
use crate::store::Place;
use crate::{Error, Key, Store, blocking};

const KIND: &str = "placed";

/// Tells that a key is about to have a file.
pub(crate) fn announce(place: &Place, key: &Key) -> Result<(), Error> {
    tidy(place);
    let Some(path) = path(place, key) else { return Ok(()) };
    let text = format!("{}\0{}", key.bucket(), key.name());
    match fs::write(&path, &text) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_directory(&place.drafts)?;
            Ok(fs::write(path, text)?)
        }
        written => Ok(written?),
    }
}

/// As [`announce`], off the async threads.
pub(crate) async fn announce_soon(place: &Arc<Place>, key: &Key) -> Result<(), Error> {
    let (place, key) = (Arc::clone(place), key.clone());
    blocking(move || announce(&place, &key)).await
}

/// Takes that back.
pub(crate) fn withdraw(place: &Place, key: &Key) {
    if let Some(path) = path(place, key) {
        // What stays is looked at again.
        let _ = fs::remove_file(path);
    }
}

/// Takes back what need not be announced any more.
fn tidy(place: &Place) {
    let kept = std::mem::take(&mut *place.kept.lock().unwrap_or_else(PoisonError::into_inner));
    for key in &kept {
        withdraw(place, key);
    }
}

fn path(place: &Place, key: &Key) -> Option<PathBuf> {
    // Versions of objects are UUIDs; what is called otherwise is no object's.
    let version = Uuid::try_parse(key.version()?).ok()?;
    Some(place.drafts.join(format!("{version}.{KIND}")))
}

pub(crate) fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == KIND)
}

impl Store {
    /// The row of this file is written. What was announced is taken back when the disk is visited next.
    pub fn keep(&self, key: Key) {
        self.place().kept.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    /// Keys that got their file at least so long ago, and nobody has said what came of it.
    ///
    /// # Errors
    ///
    /// What the file system said.
    pub async fn announced(&self, age: Duration) -> Result<Vec<Key>, Error> {
        let place = self.place();
        blocking(move || {
            tidy(&place);
            let mut found = Vec::new();
            for entry in fs::read_dir(&place.drafts)? {
                let entry = entry?;
                let path = entry.path();
                let known = entry.metadata().ok().and_then(|file| file.modified().ok()?.elapsed().ok());
                if !is_one(&path) || known.is_none_or(|known| known < age) {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap_or_default();
                let version = path.file_stem().and_then(|stem| stem.to_str());
                match text.split_once('\0').and_then(|(bucket, name)| Key::new(bucket, name, version)) {
                    Some(key) => found.push(key),
                    // Cut short before the file could get its key.
                    None => drop(fs::remove_file(path)),
                }
            }
            Ok(found)
        })
        .await
    }
}
