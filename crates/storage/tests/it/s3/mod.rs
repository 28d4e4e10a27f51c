//! The S3 protocol.

mod client;
mod form;
mod hostile;
mod list;
mod multipart;
mod object;
mod policy;
mod signature;
