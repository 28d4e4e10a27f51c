//! The S3 protocol.

mod acl;
mod checksum;
mod client;
pub use client::Client;
mod form;
mod hostile;
mod keys;
mod list;
mod multipart;
mod object;
mod policy;
mod signature;
