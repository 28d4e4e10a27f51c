//! What second factors and passkeys answer when they refuse.

use uuid::Uuid;

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
    pub(super) fn place(&self) -> (u16, &'static str) {
        match self {
            Self::CeremonyNotFound => (400, "webauthn_challenge_not_found"),
            Self::CeremonyExpired => (400, "webauthn_challenge_expired"),
            Self::CeremonyFailed(_) => (400, "webauthn_verification_failed"),
            Self::RaiseToEnroll | Self::RaiseForPasskeys => (403, "insufficient_aal"),
            Self::EmailNotConfirmed => (403, "email_not_confirmed"),
            Self::PhoneNotConfirmed => (403, "phone_not_confirmed"),
            Self::AnswerRefused(_) => (403, "mfa_verification_rejected"),
            Self::PasskeyNotFound => (404, "validation_failed"),
            Self::NameConflict(_) => (422, "mfa_factor_name_conflict"),
            Self::TooManyFactors => (422, "too_many_enrolled_mfa_factors"),
            Self::PhoneIsAFactor => (422, "mfa_verified_factor_exists"),
            Self::ChallengeNotFound => (422, "mfa_factor_not_found"),
            Self::NotFromHere => (422, "mfa_ip_address_mismatch"),
            Self::ChallengeExpired(_) => (422, "mfa_challenge_expired"),
            Self::WrongAnswer(_) => (422, "mfa_verification_failed"),
            Self::RaiseToUnenroll => (422, "insufficient_aal"),
            Self::TooManyPasskeys => (422, "too_many_passkeys"),
            Self::CredentialExists => (422, "webauthn_credential_exists"),
        }
    }
}
