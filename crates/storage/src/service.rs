//! What one running instance holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use db::{Fleet, Text};
use jwt::KeySet;
use kernel::Clock;
use lru::LruCache;
use object::{Parts, Store};

use crate::config::Config;
use crate::error::Error;
use crate::path::{self, Alphabet};
use crate::render::Renderer;
use crate::resumable::Seats;
use crate::s3::keys::S3Keys;
use crate::s3::whole::Whole;
use crate::webhook::Webhook;

/// One running instance.
pub(crate) struct Service {
    pub(crate) settings: ArcSwap<Config>,
    pub(crate) fleet: Fleet,
    /// Files of objects, wherever they are kept.
    pub(crate) disk: Store,
    /// Parts of uploads that are under way.
    pub(crate) parts: Parts,
    /// Signs and verifies what is in signed URLs.
    pub(crate) keys: KeySet,
    /// Verifies who signs requests of the S3 protocol.
    pub(crate) s3: S3Keys,
    pub(crate) clock: Clock,
    /// Where clients reach the server; empty if only they know.
    pub(crate) public_url: String,
    /// Who writes to resumable uploads.
    pub(crate) seats: Seats,
    /// Makes pictures of pictures.
    pub(crate) renderer: Renderer,
    /// Who is told what happens to objects.
    pub(crate) webhook: Option<Webhook>,
    /// Uploads in parts that are done, by id.
    pub(crate) completed: Mutex<LruCache<String, Completed>>,
}

/// An upload in parts that is done: clients that have not heard so ask again.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Who it was.
    pub(crate) by: String,
    pub(crate) etag: String,
    pub(crate) whole: Option<Whole>,
}

impl Service {
    /// The settings of now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.settings.load_full()
    }

    /// Whether an object can have this name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`].
    pub(crate) fn allows(&self, name: &str) -> Result<(), Error> {
        path::object(name, if self.config().unicode_keys { Alphabet::Unicode } else { Alphabet::Safe })
    }

    /// How long a file outlives its object, as Postgres spells it.
    pub(crate) fn removal_delay(&self) -> Text {
        Text::Value(format!("{} milliseconds", self.config().removal_delay.0.as_millis()))
    }

    /// When a resumable upload is given up that was last written to at a moment.
    pub(crate) fn resumable_until(&self, modified: SystemTime) -> SystemTime {
        modified + self.config().resumable_expiry.0
    }

    /// An upload in parts that is done, unless that was long ago.
    pub(crate) fn completed(&self, id: &str) -> Option<Completed> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Remembers that an upload in parts is done.
    pub(crate) fn remember(&self, id: &str, done: Completed) {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).put(id.to_owned(), done);
    }
}
