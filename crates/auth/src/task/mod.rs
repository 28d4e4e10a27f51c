//! Background loops.

pub(crate) mod sweep;
