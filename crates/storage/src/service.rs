//! What one running instance holds.

use std::time::SystemTime;

use db::{Fleet, Text};
use jwt::KeySet;
use kernel::Clock;
use object::Disk;

use crate::config::Config;
use crate::error::Error;
use crate::path::{self, Alphabet};
use crate::resumable::Seats;

/// One running instance.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) fleet: Fleet,
    pub(crate) disk: Disk,
    /// Signs and verifies what is in signed URLs.
    pub(crate) keys: KeySet,
    pub(crate) clock: Clock,
    /// Where clients reach the server; empty if only they know.
    pub(crate) public_url: String,
    /// Who writes to resumable uploads.
    pub(crate) seats: Seats,
}

impl Service {
    /// Whether an object can have this name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`].
    pub(crate) fn allows(&self, name: &str) -> Result<(), Error> {
        path::object(name, if self.config.unicode_keys { Alphabet::Unicode } else { Alphabet::Safe })
    }

    /// How long a file outlives its object, as Postgres spells it.
    pub(crate) fn removal_delay(&self) -> Text {
        Text::Value(format!("{} milliseconds", self.config.removal_delay.0.as_millis()))
    }

    /// When a resumable upload is given up that was last written to at a moment.
    pub(crate) fn resumable_until(&self, modified: SystemTime) -> SystemTime {
        modified + self.config.resumable_expiry.0
    }
}
