//! What happens in the database, as a stream.
//!
//! - [`decode`]: messages of `pgoutput` as values, pure; [`position`]: the place of a row among all.
//! - [`slot`]: which instance reads the stream; [`stream`]: the connection, kept for good; [`confirm`]: how far it is.
//! - [`voice`]: what the instance that reads it tells the others; [`follow`]: what these make of it.
//! - [`messages`]: rows of `realtime.messages`, which are broadcasts.

mod confirm;
pub(crate) mod decode;
pub(crate) mod follow;
pub(crate) mod messages;
pub(crate) mod position;
mod slot;
pub(crate) mod stream;
pub(crate) mod voice;
