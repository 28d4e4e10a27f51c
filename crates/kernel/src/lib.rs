//! The vocabulary of Basalt: words that at least two crates use.
//!
//! - [`identity`]: who a request speaks for, decided once at the edge.
//! - [`token`]: why a bearer token was refused; every service words it its own way.
//! - [`error`]: what an error must be able to say before it may leave the process.
//! - [`secret`], [`clock`], [`id`], [`units`]: values with rules.
//! - [`answers`]: who must have heard of what was written before others do.
//! - [`setting`]: what is wrong with a setting; what a server that runs does not take over.
//! - [`task`], [`health`]: background work and readiness, as values the gateway supervises.
//!
//! This crate opens no socket, reads no file and knows no other crate of the workspace. A type
//! comes here when it has its second user, not before.

pub mod answers;
pub mod clock;
pub mod error;
pub mod health;
#[cfg(feature = "http")]
pub mod http;
pub mod id;
pub mod identity;
pub mod secret;
pub mod setting;
pub mod task;
pub mod token;
pub mod units;

pub use answers::Answers;
pub use clock::Clock;
pub use error::ApiError;
pub use health::Health;
pub use id::RequestId;
pub use identity::{Claims, Credential, Identity, RoleName};
pub use secret::Secret;
pub use setting::Problem;
pub use task::{Stop, Task};
pub use token::TokenError;
