//! Tests of the whole product. What is here:
//!
//! - `tidy/`: the source tree keeps the rules of `ARCHITECTURE.md`.
//! - `apps/`: two applications as their developers would write them, driven by the real client;
//!   `pooler`: the data API behind PgBouncer.
//! - `clients/js`: the real `supabase-js` against the real binary.
//! - `load/`: measurements of the real binary; [`load`] is what they share.

pub mod load;
