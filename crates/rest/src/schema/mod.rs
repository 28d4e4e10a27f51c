//! What the data API knows of the database: loaded from the catalogue, swapped as a whole, never written by requests.
//!
//! - `model`: tables, relationships, functions, casts, media handlers; `contents`: the cache that holds them.
//! - `load`: reads them from the catalogue; `view`, `infer`: what follows from keys and view definitions.
//! - `find`, `hint`, `fuzzy`: a relationship by the names of a request; similar names for errors.

mod contents;
mod find;
mod fuzzy;
mod hint;
mod infer;
mod load;
mod model;
mod view;

pub use contents::{Contents, SchemaCache};
pub use hint::Correction;
pub use load::{Scope, load};
pub use model::*;
