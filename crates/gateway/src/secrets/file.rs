//! Files that nobody else may read: all of one or nothing of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jwt::SignError;
use jwt::generate::NoRandomness;
use thiserror::Error;

/// Why there are no secrets. Paths only, no contents.
#[derive(Debug, Error)]
pub(crate) enum SecretsError {
    #[error("cannot {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} can be read by others; run: chmod {mode} {path}")]
    Exposed { path: PathBuf, mode: &'static str },
    #[error(
        "{path} is damaged; restore it from a backup, or remove it to have new secrets (all keys change)"
    )]
    Damaged { path: PathBuf },
    #[error(
        "{path} is damaged; restore it from a backup: without it the secrets in the vault cannot be read any more"
    )]
    DamagedRootKey { path: PathBuf },
    #[error(
        "{path} is missing, but other secrets are there; restore it from a backup: without it the secrets in the vault cannot be read any more"
    )]
    LostRootKey { path: PathBuf },
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl SecretsError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// The content of a file that nobody else may read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, SecretsError> {
    // The account of Postgres could put a link in the place of the vault's key.
    let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SecretsError::io("read", path)(error)),
    };
    let mode = file.metadata().map_err(SecretsError::io("read", path))?.mode();
    if mode & 0o077 != 0 {
        return Err(SecretsError::Exposed { path: path.to_owned(), mode: "600" });
    }
    if let Some(dir) = path.parent() {
        let mode = fs::metadata(dir).map_err(SecretsError::io("read", dir))?.mode();
        if mode & 0o077 != 0 {
            return Err(SecretsError::Exposed { path: dir.to_owned(), mode: "700" });
        }
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(SecretsError::io("read", path))?;
    Ok(Some(content))
}

/// Writes a file so that after a crash there is all of it or nothing.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), SecretsError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(SecretsError::io("create", dir))?;
    let finish = || {
        durable::replace(path, content)?;
        // The directory may be new itself.
        dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    finish().map_err(SecretsError::io("write", path))
}
