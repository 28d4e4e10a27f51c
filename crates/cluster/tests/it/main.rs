//! The cluster against the real Postgres of this machine: made, started, killed, refused.
// Figures are printed: see them with `--no-capture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod access;
mod crash;
mod lifecycle;
mod orphan;
mod refusal;
mod scene;
