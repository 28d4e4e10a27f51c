//! The data API, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batch;
mod change;
mod compatibility;
mod keyset;
mod limits;
mod ndjson;
mod plain;
mod protocol;
mod reads;
mod rpc;
mod service;
mod writes;
