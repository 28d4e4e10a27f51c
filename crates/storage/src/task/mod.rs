//! Background work.

pub(crate) mod removals;
pub(crate) mod resumable;
pub(crate) mod uploads;
pub(crate) mod webhooks;
