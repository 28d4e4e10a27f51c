//! A mail that is written.

use serde::{Deserialize, Serialize};

use super::Kind;

/// Longer subjects are cut, in letters.
const MAX_SUBJECT: usize = 255;

/// A mail that is written, as it waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) kind: Kind,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
}

impl Letter {
    /// The subject is brought into one line: what users wrote may be in it.
    pub(crate) fn new(kind: Kind, to: &str, subject: &str, html: String, text: String) -> Self {
        let words: Vec<&str> =
            subject.split(|c: char| c.is_control() || c == ' ').filter(|w| !w.is_empty()).collect();
        let subject = words.join(" ").chars().take(MAX_SUBJECT).collect();
        // Postgres keeps no NUL.
        let clean = |text: String| text.replace('\0', "");
        Self { kind, to: to.to_owned(), subject, html: clean(html), text: clean(text) }
    }
}
