//! What the data API knows of the database: loaded from the catalogue, swapped as a whole, never written by requests.

pub mod model;
