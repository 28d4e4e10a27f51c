//! What the data API knows of the database: loaded from the catalogue, swapped as a whole, never written by requests.
//!
//! - `model`: tables, relationships, functions, casts, media handlers; `contents`: the cache that holds them.
//! - `cache`: the snapshot that requests share, and its reload; `pace`: when; `in_database`: settings kept in the database.
//! - `load`: reads them from the catalogue; `view`, `infer`: what follows from keys and view definitions.
//! - `zones`: what is known of time zones.
//! - `find`, `hint`, `fuzzy`: a relationship by the names of a request; similar names for errors.

mod cache;
mod contents;
mod find;
mod fuzzy;
mod hint;
mod in_database;
mod infer;
mod load;
mod model;
mod pace;
mod view;
mod zones;

#[cfg(test)]
mod tests;

pub use cache::{Cache, Snapshot};
#[cfg(any(test, fuzzing))]
pub use contents::Contents;
pub use contents::SchemaCache;
pub use model::*;
pub use zones::Zones;
