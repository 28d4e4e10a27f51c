//! What second factors and passkeys answer when they refuse.

use uuid::Uuid;

use super::Code;

/// A refusal around second factors and passkeys.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactor {
    // 400
    /// The ceremony is none that was begun, or it was finished already.
    #[error("Challenge not found or already used")]
    CeremonyNotFound,
    /// The ceremony took too long.
    #[error("Challenge has expired")]
    CeremonyExpired,
    /// What the authenticator said cannot be read, or is not right.
    #[error("{0}")]
    CeremonyFailed(&'static str),

    // 403
    /// The session has to be raised before another factor is added.
    #[error("AAL2 required to enroll a new factor")]
    RaiseToEnroll,
    /// The session has to be raised before passkeys are added or removed.
    #[error("AAL2 session is required to manage passkeys when MFA is enabled")]
    RaiseForPasskeys,
    /// The session has to be raised before codes that stand in for a factor are made or thrown away.
    #[error("AAL2 required to manage recovery codes")]
    RaiseForRecoveryCodes,
    /// The account's address was never confirmed.
    #[error("Email not confirmed")]
    EmailNotConfirmed,
    /// The account's number was never confirmed.
    #[error("Phone not confirmed")]
    PhoneNotConfirmed,

    /// A hook refuses the answer to a challenge.
    #[error("{0}")]
    AnswerRefused(String),

    // 404
    /// The account has no such passkey.
    #[error("Passkey not found")]
    PasskeyNotFound,

    // 422
    /// Codes that stand in for a factor need one.
    #[error("Recovery codes need a verified factor")]
    NothingToRecover,
    /// Another factor of the account has this name.
    #[error("A factor with the friendly name {0:?} for this user already exists")]
    NameConflict(String),
    /// The account has as many factors as it may.
    #[error("Maximum number of verified factors reached, unenroll to continue")]
    TooManyFactors,
    /// The number is a factor of the account already.
    #[error("A verified phone factor already exists, unenroll the existing factor to continue")]
    PhoneIsAFactor,
    /// The factor has no such challenge.
    #[error("MFA factor with the provided challenge ID not found")]
    ChallengeNotFound,
    /// The challenge was answered, or asked for from somewhere else.
    #[error("Challenge and verify IP addresses mismatch.")]
    NotFromHere,
    /// The challenge is too old.
    #[error("MFA challenge {0} has expired, verify against another challenge or create a new challenge.")]
    ChallengeExpired(Uuid),
    /// The code or signature is wrong, or was used before.
    #[error("{0}")]
    WrongAnswer(&'static str),
    /// The session has to be raised before a proved factor is removed.
    #[error("AAL2 required to unenroll verified factor")]
    RaiseToUnenroll,
    /// The account has as many passkeys as it may.
    #[error("Maximum number of passkeys reached")]
    TooManyPasskeys,
    /// The authenticator's key is someone's already.
    #[error("This credential is already registered")]
    CredentialExists,
}

impl SecondFactor {
    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::CeremonyNotFound => (400, Code::WebauthnChallengeNotFound),
            Self::CeremonyExpired => (400, Code::WebauthnChallengeExpired),
            Self::CeremonyFailed(_) => (400, Code::WebauthnVerificationFailed),
            Self::RaiseToEnroll | Self::RaiseForPasskeys | Self::RaiseForRecoveryCodes => {
                (403, Code::InsufficientAal)
            }
            Self::EmailNotConfirmed => (403, Code::EmailNotConfirmed),
            Self::PhoneNotConfirmed => (403, Code::PhoneNotConfirmed),
            Self::AnswerRefused(_) => (403, Code::MfaVerificationRejected),
            Self::PasskeyNotFound => (404, Code::ValidationFailed),
            Self::NothingToRecover => (422, Code::ValidationFailed),
            Self::NameConflict(_) => (422, Code::MfaFactorNameConflict),
            Self::TooManyFactors => (422, Code::TooManyEnrolledMfaFactors),
            Self::PhoneIsAFactor => (422, Code::MfaVerifiedFactorExists),
            Self::ChallengeNotFound => (422, Code::MfaFactorNotFound),
            Self::NotFromHere => (422, Code::MfaIpAddressMismatch),
            Self::ChallengeExpired(_) => (422, Code::MfaChallengeExpired),
            Self::WrongAnswer(_) => (422, Code::MfaVerificationFailed),
            Self::RaiseToUnenroll => (422, Code::InsufficientAal),
            Self::TooManyPasskeys => (422, Code::TooManyPasskeys),
            Self::CredentialExists => (422, Code::WebauthnCredentialExists),
        }
    }
}
