//! The door to bytes: nothing else in the workspace reads or writes the files of objects.
//!
//! - [`Key`]: the place of one version of one object; made only of names that stay below the root.
//! - [`Disk`]: a directory laid out as Supabase Storage's file store is, so that its volumes can be
//!   used as they are, and given back.
//! - [`Incoming`]: a file on its way in. It is written beside, renamed and forced to disk, so that a
//!   key whose row is written has all of its bytes; what is dropped on the way leaves nothing.
//! - [`Partial`]: a file that comes in several requests, and survives the process between them.
//! - [`Blob`]: a file on its way out, whole or in part.
//! - [`Parts`]: pieces of files that are put together later.
//!
//! Bytes stream in both directions, in pieces of [`PIECE`]; nothing ever holds a whole file that is
//! larger. Work on files is done off the async threads. Who may read or write what is not decided
//! here, and no names are remembered: that is for the tables.

mod announced;
mod disk;
mod error;
mod incoming;
mod key;
mod md5;
mod outgoing;
mod partial;
mod parts;
mod writer;

pub use disk::Disk;
pub use error::Error;
pub use incoming::{Incoming, Labels, Stored};
pub use key::Key;
pub use outgoing::Blob;
pub use partial::{Found, Partial, Progress, Tail};
pub use parts::Parts;

/// Bytes that are read or written at once.
pub const PIECE: usize = 256 * 1024;

/// Runs work on files where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The runtime ends, or the work panicked: either way nothing is known to be done.
        Err(error) => Err(Error::Io(std::io::Error::other(error))),
    }
}
