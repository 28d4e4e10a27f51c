//! Throw-away databases for tests, on a real Postgres. A dev-dependency only.
//!
//! ```no_run
//! # async fn test() {
//! let database = testkit::database(&[]).await;              // the ground: roles, schemas, extensions
//! let mut session = database.admin().await;
//! session.batch("create table public.t (id int)").await.unwrap();
//! # }
//! ```
//!
//! One server serves all test processes of a build ([`server`]): the first one starts it, and it ends by itself some
//! seconds after the last. `TEST_DATABASE_URL` names another server to use, as a superuser; `TEST_POSTGRES_BIN` the
//! directory of other server binaries. (On a server of yours the templates stay, and tests that need files or programs of
//! the server fail.) Each test gets a database of its own, cloned from a template that has the
//! migrations ([`Database`]), and loses it at its end. Roles belong to the server and are shared.
//!
//! Whatever fails here ends the test: functions panic instead of returning errors.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod database;
mod server;
mod template;
mod token;

pub use database::{Database, code, database, empty, repeatables_are_complete};
pub use token::{token, user_token};
