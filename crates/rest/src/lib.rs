//! Tables and functions as HTTP: the data API that PostgREST's clients speak to.
//!
//! A request goes one way, never back: `request` parses it, `plan` resolves it against the
//! cached `schema`, `sql` writes one statement, `exec` runs it as the caller, `response` turns
//! the result into an answer. All but `exec` are pure.

mod config;
mod error;
mod exec;
mod plan;
mod request;
mod schema;
mod sql;

pub use config::{Config, OpenApiMode, TxEnd, Verbosity};
