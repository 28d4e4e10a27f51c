//! What the load tests share: a server of their own, requests, and what both cost.
//!
//! - [`server`]: the real binary on a directory of its own, gone with the value.
//! - [`client`]: a load generator that costs little itself.
//! - [`cpu`]: CPU time and memory of the server and its Postgres.
//!
//! Whatever fails here ends the measurement: functions panic instead of returning errors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod cpu;
pub mod server;
