//! Why there is no picture.

/// A picture that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No picture, a broken one, or of a format that is not known here.
    #[error("not a picture that can be read: {0}")]
    Unreadable(String),
    /// More pixels than are allowed.
    #[error("too many pixels")]
    TooLarge,
    /// The result cannot be written.
    #[error("cannot encode the picture: {0}")]
    Encode(String),
}

impl Error {
    pub(crate) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }

    pub(crate) fn encode(error: impl std::fmt::Display) -> Self {
        Self::Encode(error.to_string())
    }
}
