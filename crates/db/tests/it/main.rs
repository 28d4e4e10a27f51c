//! The door to Postgres, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bootstrap;
mod flight;
mod journey;
mod listen;
mod migrate;
mod pool;
mod session;
mod tandem;
