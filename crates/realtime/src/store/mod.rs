//! The SQL of schema `realtime`.

pub(crate) mod message;
pub(crate) mod partition;
pub(crate) mod publication;
pub(crate) mod relay;
