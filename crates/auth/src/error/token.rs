//! What is said of bearer tokens that are refused.

use std::borrow::Cow;

use kernel::TokenError;

use super::Error;

impl Error {
    /// A refused bearer token, in the words of upstream's JWT library.
    pub(crate) fn refused_token(error: &TokenError) -> Self {
        let reason: Cow<'static, str> = match error {
            TokenError::Expired => "token has invalid claims: token is expired".into(),
            TokenError::NotYetValid => "token has invalid claims: token is not valid yet".into(),
            TokenError::IssuedInFuture => "token has invalid claims: token used before issued".into(),
            TokenError::Empty | TokenError::Parts(_) => {
                "token is malformed: token contains an invalid number of segments".into()
            }
            TokenError::Algorithm(_) => "token signature is invalid: signing method is invalid".into(),
            TokenError::NoKey | TokenError::NoSecret => {
                "token signature is invalid: signature is invalid".into()
            }
            TokenError::Undecodable | TokenError::Kind | TokenError::Claims => {
                "token is malformed: could not JSON decode claims".into()
            }
            TokenError::NotANumber(claim) => format!("token is malformed: {claim} is not a number").into(),
            TokenError::AudienceShape | TokenError::Audience => {
                "token has invalid claims: token has invalid audience".into()
            }
            TokenError::NoRole => "token has invalid claims: token has no role".into(),
        };
        Self::BadJwt(format!("invalid JWT: unable to parse or verify signature, {reason}").into())
    }
}
