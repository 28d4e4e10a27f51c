//! The vault's key.

use std::path::{Path, PathBuf};

use jwt::generate::{self, NoRandomness};
use kernel::Secret;

use super::{SecretsError, read};

/// The file with the vault's key; absolute if `data_dir` is.
pub(crate) fn root_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("vault").join("root.key")
}

/// A key for the vault: 64 hex digits.
///
/// # Errors
///
/// If the operating system has no randomness.
pub(crate) fn fresh_root_key() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(hex::encode(generate::bytes::<32>()?)))
}

/// Whether the vault's key is there, and whole.
pub(super) fn root_key(data_dir: &Path) -> Result<bool, SecretsError> {
    let path = root_key_file(data_dir);
    let Some(text) = read(&path)? else { return Ok(false) };
    let keys: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|key| !key.is_empty()).collect();
    // Two while one replaces the other.
    let is_whole = matches!(keys.len(), 1 | 2)
        && keys.iter().all(|key| key.len() == 64 && key.iter().all(u8::is_ascii_hexdigit));
    if is_whole { Ok(true) } else { Err(SecretsError::DamagedRootKey { path }) }
}
