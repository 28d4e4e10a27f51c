//! What happens in the database, as a stream.
//!
//! - [`decode`]: messages of `pgoutput` as values, pure; [`stream`]: the connection, kept for good.
//! - [`messages`]: rows of `realtime.messages`, which are broadcasts.

pub(crate) mod decode;
mod messages;
pub(crate) mod stream;
