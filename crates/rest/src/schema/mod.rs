//! What the data API knows of the database: loaded from the catalogue, swapped as a whole, never written by requests.
//!
//! - `model`: tables, relationships, functions, casts, media handlers; `contents`: the cache that holds them.
//! - `find`, `hint`, `fuzzy`: a relationship by the names of a request; similar names for errors.

mod contents;
mod find;
mod fuzzy;
mod hint;
mod model;

pub use contents::{Contents, SchemaCache};
pub use hint::Correction;
pub use model::*;
