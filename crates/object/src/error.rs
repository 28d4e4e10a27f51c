//! What can go wrong with a file.

use std::io;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// A name that cannot be part of a path here: too long for the file system, or it collides with a
    /// version of another object.
    #[error("the name cannot be stored")]
    Name,
    /// No room is left.
    #[error("no space left on the device")]
    Full,
    /// The S3 server does not answer, or not in time, or has no time. What was asked may have been done.
    #[error("the S3 server that keeps the files does not do its work: {0}")]
    Unavailable(#[source] object_store::Error),
    /// The S3 server will not do it: the keys or the bucket are wrong, or it takes no such file.
    #[error("the S3 server that keeps the files refuses: {0}")]
    Refused(#[source] object_store::Error),
    /// Anything else that the operating system said.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::InvalidFilename
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists => Self::Name,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}
