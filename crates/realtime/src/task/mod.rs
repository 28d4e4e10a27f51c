//! Background work.

pub(crate) mod partitions;
