//! Background work.

pub(crate) mod removals;
