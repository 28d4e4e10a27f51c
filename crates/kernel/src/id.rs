//! Ids that cross crates.

use std::fmt;

use uuid::Uuid;

/// The id of one request: in its log line, in `sb-request-id`, and in the `error_id` of a 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A fresh id; ids sort by time (UUID version 7).
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
