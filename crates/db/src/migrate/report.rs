//! What a run did, or why it could not.

use std::fmt;

use super::Owner;
use crate::{Error, bootstrap};

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The files that were applied, in order; empty when everything was up to date.
    pub applied: Vec<File>,
}

/// A file of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Whose.
    pub owner: Owner,
    /// `V0001__name` or `repeatable/name`.
    pub name: String,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.sql", self.owner, self.name)
    }
}

/// Why the database could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The login role may not do what the migrations do.
    #[error(transparent)]
    Privileges(#[from] bootstrap::MissingPrivileges),
    /// A file failed; nothing of it was kept, and what came before it was.
    #[error("migration {file} failed: {}", explained(.error))]
    File {
        /// The file.
        file: File,
        /// What the server said.
        error: Error,
    },
    /// A file was applied with another text than it has here.
    #[error("migration {0} is not what was applied to this database: its text has changed since")]
    Changed(File),
    /// The database has seen a migration that is unknown here.
    #[error("this database was migrated by a newer version: it has {0}, which is unknown here")]
    Newer(File),
    /// The connection, the lock or the history failed.
    #[error("could not bring the database up to date: {}", explained(.0))]
    Database(#[from] Error),
}

/// The server's message with its detail and hint, which say what to do.
fn explained(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(server) = error.server() {
        for (label, part) in [("detail", &server.detail), ("hint", &server.hint)] {
            if let Some(part) = part {
                text.push_str(&format!("; {label}: {part}"));
            }
        }
    }
    text
}
