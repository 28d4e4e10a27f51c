//! SQL of schema `vault`.

pub(crate) mod secrets;
