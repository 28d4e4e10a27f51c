//! Background loops.

pub(crate) mod deliver;
pub(crate) mod limits;
pub(crate) mod sweep;
pub(crate) mod texts;
