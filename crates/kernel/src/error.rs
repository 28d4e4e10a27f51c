//! What an error must be able to say before it may leave the process.

use std::borrow::Cow;

/// An answer that is not success.
///
/// Every service has one enum that implements this; its wire body is the service's own, as the
/// clients of each API expect their own field names.
pub trait ApiError: std::error::Error {
    /// HTTP status, 400 to 599.
    fn status(&self) -> u16;

    /// The stable code that clients match on.
    fn code(&self) -> &str;

    /// Text that is safe to send; private detail stays in `source()`.
    fn public(&self) -> Cow<'_, str>;
}
