//! What one running instance holds.

use db::{Fleet, Text};
use jwt::KeySet;
use kernel::Clock;
use object::Disk;

use crate::config::Config;

/// One running instance.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) fleet: Fleet,
    pub(crate) disk: Disk,
    /// Signs and verifies what is in signed URLs.
    pub(crate) keys: KeySet,
    pub(crate) clock: Clock,
}

impl Service {
    /// How long a file outlives its object, as Postgres spells it.
    pub(crate) fn removal_delay(&self) -> Text {
        Text::Value(format!("{} milliseconds", self.config.removal_delay.0.as_millis()))
    }
}
