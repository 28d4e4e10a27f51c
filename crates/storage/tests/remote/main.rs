//! Storage as its clients see it, on a real Postgres and a bucket of an S3 server: the tests of `it` once
//! more, and what only a server can do to files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Where the files are kept.
const BACKEND: storage::Backend = storage::Backend::S3;

#[path = "../it/atomicity.rs"]
mod atomicity;
#[path = "../it/blobs.rs"]
mod blobs;
#[path = "../it/buckets.rs"]
mod buckets;
#[path = "../it/download.rs"]
mod download;
mod faults;
#[path = "../it/form.rs"]
mod form;
#[path = "../it/harness.rs"]
mod harness;
mod keeping;
#[path = "../it/policies.rs"]
mod policies;
#[path = "../it/quota.rs"]
mod quota;
#[path = "../it/render.rs"]
mod render;
#[path = "../it/resumable.rs"]
mod resumable;
#[path = "../it/s3/mod.rs"]
mod s3;
#[path = "../it/server.rs"]
mod server;
#[path = "../it/transfer.rs"]
mod transfer;
#[path = "../it/upload.rs"]
mod upload;
#[path = "../it/versions.rs"]
mod versions;
