//! Storage as its clients see it, on a real Postgres and a real disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Where the files are kept. The tests of `remote` are these once more, with another answer.
const BACKEND: storage::Backend = storage::Backend::File;

mod atomicity;
mod blobs;
mod buckets;
mod download;
mod form;
mod full;
mod harness;
mod hostile;
mod list;
mod policies;
mod quota;
mod render;
mod resumable;
mod s3;
mod schema;
mod server;
mod signed;
mod transfer;
mod upload;
mod versions;
mod webhooks;
