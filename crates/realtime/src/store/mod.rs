//! The SQL of schema `realtime`.

pub(crate) mod message;
pub(crate) mod partition;
pub(crate) mod publication;
pub(crate) mod relay;
pub(crate) mod slot;
pub(crate) mod snapshot;
pub(crate) mod subscription;
pub(crate) mod table;
pub(crate) mod visible;
