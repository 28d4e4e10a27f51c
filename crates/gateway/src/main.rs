//! The `basalt` binary: the one place that knows every part and puts them together.
//!
//! ```text
//! cli/       commands: parse and print          settings/  what was configured, and by whom
//! boot       start and stop, in order           secrets    the installation's own keys
//! server     listeners and workers              keys       the keys in use
//! routes     which prefix is whose              database   our own Postgres, or another
//! project/   migrations and seeds of a folder   import/   a live Supabase taken over
//! edge/      what every request passes          rotation   signing keys changed and taken over
//! further_keys/ keys of applications changed     log_file   the log that is kept
//! typegen/   types for client programs          advice/    what to change in a database
//! reload     new settings for a server          lint/      what is wrong inside functions
//! difference/ what makes one schema another         pg_dump  which one, and how it is run
//! health metrics supervisor banner installation certificate
//! ```

mod advice;
mod banner;
mod boot;
mod certificate;
mod cli;
mod connections;
mod database;
mod difference;
mod edge;
mod further_keys;
mod given;
mod health;
mod import;
mod installation;
mod keys;
mod lint;
mod log_file;
mod metrics;
mod pg_dump;
mod project;
mod reload;
mod rotation;
mod routes;
mod secrets;
mod server;
mod settings;
mod supervisor;
mod typegen;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
