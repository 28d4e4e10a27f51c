//! The door to bytes: nothing else in the workspace reads or writes the files of objects.
//!
//! - [`Key`]: the place of one version of one object; made only of names that stay below the root.
//! - [`Store`]: all files. They are kept in a directory laid out as Supabase Storage's file store is, or
//!   in a bucket of an S3 server with the keys of its S3 store, so that volumes and buckets can be used as
//!   they are, and given back. Which of the two, `Home` says; everything else here is the same for both.
//! - [`Incoming`]: a file on its way in. On a disk it is written beside, renamed and forced out; to a bucket
//!   it is put at once or in parts. Either way a key whose row is written has all of its bytes, and what
//!   is dropped on the way leaves nothing.
//! - [`Partial`]: a file that comes in several requests, and survives the process between them.
//! - [`Blob`]: a file on its way out, whole or in part.
//! - [`Parts`]: pieces of files that are put together later.
//!
//! Partial files, pieces and drafts are always on this machine. With a bucket they go there when they are
//! complete, by `remote`, whose requests all end in time.
//!
//! Bytes stream in both directions, in pieces of [`PIECE`]; nothing ever holds a whole file that is
//! larger. Work on files is done off the async threads. Who may read or write what is not decided
//! here, and no names are remembered: that is for the tables.

mod announced;
mod disk;
mod error;
mod incoming;
mod key;
mod lane;
mod md5;
mod outgoing;
mod partial;
mod parts;
mod remote;
mod store;
mod writer;

pub use error::Error;
pub use incoming::{Labels, Stored};
pub use key::Key;
pub use outgoing::{Blob, Extent};
pub use partial::{Found, Partial, Progress, Tail};
pub use parts::Parts;
pub use remote::Bucket;
pub use store::{Incoming, Store};

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
