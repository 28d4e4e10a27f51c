//! What signing in with another provider's account answers when it fails.

use super::Code;

/// A refusal around other providers' accounts.
#[derive(Debug, thiserror::Error)]
pub enum External {
    // 400
    /// The state is none that we write.
    #[error("OAuth state parameter is invalid")]
    StateInvalid,
    /// The state is of no sign-in that is under way.
    #[error("OAuth state not found or expired")]
    StateUnknown,
    /// The sign-in took too long.
    #[error("OAuth state has expired")]
    StateExpired,
    /// The sign-in was completed before.
    #[error("State has already been used")]
    StateUsed,
    /// The provider sent nobody back, and no error either.
    #[error("OAuth callback with missing authorization code missing")]
    NoCode,
    /// The provider refused, in its own words.
    #[error("{description}")]
    Refused {
        /// The provider's error.
        error: String,
        /// What it says of it.
        description: String,
    },
    /// The provider was switched off in the meantime.
    #[error("{0}")]
    NotSupported(String),
    /// The secret of this sign-in was made for another provider.
    #[error("OAuth provider mismatch")]
    OtherProvider,
    /// The secret of this sign-in is missing.
    #[error("OAuth PKCE code verifier missing")]
    NoVerifier,
    /// Whoever was invited came with another address.
    #[error("Invited email does not match emails from external provider")]
    OtherThanInvited,
    /// The address is someone else's.
    #[error("A user with this email address has already been registered")]
    EmailTaken,
    /// An ID token that does not count.
    #[error("Bad ID token")]
    BadIdToken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An ID token for someone else.
    #[error("Unacceptable audience in id_token: [{}]", .0.join(" "))]
    Audience(Vec<String>),

    // 404 and 422
    /// The invitation is gone.
    #[error("Invite not found")]
    InviteNotFound,
    /// The account that was to get another way in is gone.
    #[error("Linking target user not found")]
    NoTarget,
    /// The account at the provider is linked already.
    #[error("{0}")]
    IdentityExists(&'static str),
    /// Our half of the secret is gone.
    #[error("OAuth state not found")]
    ClientStateNotFound,
    /// Our half of the secret is too old.
    #[error("OAuth state expired")]
    ClientStateExpired,
    /// The address has to be confirmed first; a mail that asks for it was sent.
    #[error("Unverified email with {0}. A confirmation email has been sent to your {0} email")]
    ConfirmationSent(String),
    /// The address has to be confirmed first, at the provider.
    #[error("Unverified email with {0}. Verify the email with {0} in order to sign in")]
    VerifyThere(String),
    /// As [`External::ConfirmationSent`], while linking.
    #[error("Unverified email with {0}. A confirmation email has been sent to your {0} email")]
    LinkedUnconfirmed(String),

    // 500
    /// The code could not be exchanged for an access token.
    #[error("Unable to exchange external code: {begin}")]
    Exchange {
        /// The beginning of the code.
        begin: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl External {
    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::StateInvalid | Self::StateUnknown | Self::StateExpired => (400, Code::BadOauthState),
            Self::StateUsed => (400, Code::FlowStateAlreadyUsed),
            Self::NoCode => (400, Code::BadOauthCallback),
            Self::Refused { .. } => (400, Code::Unknown),
            Self::NotSupported(_) => (400, Code::OauthProviderNotSupported),
            Self::OtherProvider | Self::NoVerifier => (400, Code::OauthInvalidState),
            Self::OtherThanInvited => (400, Code::ValidationFailed),
            Self::EmailTaken => (400, Code::EmailExists),
            Self::BadIdToken(_) | Self::Audience(_) => (400, Code::Unknown),
            Self::InviteNotFound => (404, Code::InviteNotFound),
            Self::NoTarget => (422, Code::UserNotFound),
            Self::IdentityExists(_) => (422, Code::IdentityAlreadyExists),
            Self::ClientStateNotFound => (422, Code::OauthClientStateNotFound),
            Self::ClientStateExpired => (422, Code::OauthClientStateExpired),
            Self::ConfirmationSent(_) | Self::VerifyThere(_) => (422, Code::ProviderEmailNeedsVerification),
            Self::LinkedUnconfirmed(_) => (422, Code::EmailNotConfirmed),
            Self::Exchange { .. } => (500, Code::UnexpectedFailure),
        }
    }

    /// The error in the words of OAuth, where the answer has the standard's body.
    pub(super) fn standard(&self) -> Option<(&str, String)> {
        match self {
            Self::Refused { error, description } => Some((error, description.clone())),
            Self::BadIdToken(_) | Self::Audience(_) => Some(("invalid request", self.to_string())),
            _ => None,
        }
    }
}
