//! The settings of the vault.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secrets at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Absolute path of the file with the key: 64 hex digits, readable by the operating system account of Postgres and
    /// by nobody else. Keep it outside the data directory of Postgres, so that no backup of it holds the key.
    pub key_file: PathBuf,
}
