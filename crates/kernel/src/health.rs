//! Readiness of a service.

/// What a service says when asked whether it can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// It cannot yet or not now; the text is for the operator and holds no secret.
    NotReady(String),
}

impl Health {
    /// True if the service can serve.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}
