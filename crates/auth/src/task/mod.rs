//! Background loops.

pub(crate) mod deliver;
pub(crate) mod sweep;
pub(crate) mod texts;
