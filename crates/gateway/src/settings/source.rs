//! Where a value came from, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// A default of the mode.
    Mode(&'static str),
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Mode(name) => write!(f, "default of {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The setting (`auth.site_url`), or what was meant to be one.
    pub(crate) key: String,
    /// What is wrong, and what it must be. Holds no secret.
    pub(crate) text: String,
    pub(crate) source: Source,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Default => write!(f, "{}: {}", self.key, self.text),
            source => write!(f, "{}: {} ({source})", self.key, self.text),
        }
    }
}
