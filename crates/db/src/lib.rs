//! The door to Postgres. Nothing else in the workspace opens a connection to it.
//!
//! - [`Target`]: where and as whom; [`is_shared`]: whether a pooler lends connections out between transactions.
//! - [`Pool`]: bounded connections of one login role. The data API's logs in as `authenticator`,
//!   which can become API roles and nothing else; each service's own logs in as its schema's owner.
//! - [`Session`]: a connection for the service's own statements, in a transaction or not; rows in bulk from another.
//! - [`Fleet`]: bounded connections for callers' transactions, over our own `wire`.
//! - [`flight`]: a caller's whole transaction in one round trip.
//! - [`journey`]: several statements of a caller in one transaction.
//! - `tandem`: two statements in two roles in one round trip.
//! - [`Trial`]: what a caller's statement would do, of which nothing is kept.
//! - [`Question`]: the same to many callers, in one round trip.
//! - [`Listener`]: `LISTEN`, reconnecting.
//! - [`Replication`]: the stream of changes.
//! - [`migrate`]: the schemas of all owners.
//! - [`ident`] (and [`push_ident`]), [`literal`]: the only quoting functions there are.
//!
//! It builds no query and knows no table but those of its own migrations.

pub mod bootstrap;
mod copy;
mod error;
mod fleet;
pub mod flight;
pub mod journey;
mod listen;
pub mod migrate;
mod pool;
mod quote;
mod replication;
mod session;
mod sharing;
mod statements;
mod survey;
mod tandem;
mod target;
mod text;
mod tls;
mod trial;
mod wire;

pub use error::{Error, ServerError};
pub use fleet::Fleet;
pub use flight::{Access, End, Flight, Isolation, Landed, Open, Query, Setting};
pub use journey::{Journey, Leg};
pub use listen::{Event, Listener};
pub use migrate::Migrations;
pub use pool::{Pool, PoolOptions, PoolStatus};
pub use quote::{ident, literal, push_ident};
pub use replication::{Lsn, Replication, SlotKind, Streamed};
pub use session::{Param, Session};
pub use sharing::is_shared;
pub use survey::{Answer, Question};
pub use tandem::Abreast;
pub use target::Target;
pub use text::Text;
pub use tokio_postgres::Row;
pub use tokio_postgres::types;
pub use trial::Trial;
pub use wire::{Column, Columns, Record, Value};
