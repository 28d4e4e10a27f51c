//! Why a bearer token was refused.
//!
//! One list for all services: the data API renders these as `PGRST30x`, auth as `bad_jwt`. The
//! `Display` texts are those of PostgREST, the strictest of the three about wording.

use thiserror::Error;

/// A refused token. None of the variants carries any part of the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// A token came, but nothing is configured that could verify it.
    #[error("Server lacks JWT secret")]
    NoSecret,
    /// `Bearer` without a token.
    #[error("Empty JWT is sent in Authorization header")]
    Empty,
    /// The token does not consist of three parts; the number is how many there were.
    #[error("Expected 3 parts in JWT; got {0}")]
    Parts(usize),
    /// No configured key verifies the signature.
    #[error("No suitable key or wrong key type")]
    NoKey,
    /// The algorithm is `none`, unknown, or not one of the key's; the text names the expectation.
    #[error("Wrong or unsupported encoding algorithm")]
    Algorithm(String),
    /// The parts are not base64url, or not what they should hold.
    #[error("JWT cryptographic operation failed")]
    Undecodable,
    /// An encrypted token or another kind that is not supported.
    #[error("Unsupported token type")]
    Kind,
    /// The payload is not a JSON object.
    #[error("Parsing claims failed")]
    Claims,
    /// The named time claim is not a number.
    #[error("The JWT '{0}' claim must be a number")]
    NotANumber(&'static str),
    /// `exp` has passed.
    #[error("JWT expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("JWT not yet valid")]
    NotYetValid,
    /// `iat` lies ahead.
    #[error("JWT issued at future")]
    IssuedInFuture,
    /// `aud` is neither a string nor a list of strings.
    #[error("The JWT 'aud' claim must be a string or an array of strings")]
    AudienceShape,
    /// `aud` does not name the configured audience.
    #[error("JWT not in audience")]
    Audience,
    /// The claims name no usable role and nobody may be anonymous.
    #[error("Anonymous access is disabled")]
    NoRole,
}
