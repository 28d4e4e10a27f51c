//! What applications and services see of this crate: tokens, keys, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api_keys;
mod cache;
mod keys;
mod material;
mod refusals;
mod vectors;
