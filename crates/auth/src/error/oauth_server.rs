//! What the OAuth server answers when it refuses: to people and administrators in our words, to
//! applications that want tokens in the standard's.

use std::borrow::Cow;

use super::Code;

/// A refusal of the OAuth server.
#[derive(Debug, thiserror::Error)]
pub enum OAuthServer {
    // 400
    /// The body is not the JSON that was expected.
    #[error("{0}")]
    BadBody(&'static str),
    /// Whoever asks for tokens is not who they say they are.
    #[error("{0}")]
    ClientRefused(Cow<'static, str>),
    /// Nobody is registered under the id that a browser brought.
    #[error("{0}")]
    UnknownClient(&'static str),
    /// No tokens, in the standard's words.
    #[error("{description}")]
    Token {
        /// The standard's code.
        error: &'static str,
        /// What is wrong.
        description: Cow<'static, str>,
    },

    // 403
    /// Applications may not register themselves.
    #[error("Dynamic client registration is not enabled")]
    RegistrationDisabled,
    /// The session is held by an application, which may read with it and no more.
    #[error("Session of an OAuth client not allowed to perform these actions")]
    HeldSession,

    // 404
    /// No such application.
    #[error("OAuth client not found")]
    ClientNotFound,
    /// No such request for access, or not this user's.
    #[error("authorization not found")]
    AuthorizationNotFound,
    /// The user allows the application nothing.
    #[error("No active grant found for this client")]
    ConsentNotFound,
}

impl OAuthServer {
    /// A request for tokens that lacks something.
    pub(crate) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::Token { error: "invalid_request", description: description.into() }
    }

    /// A code that is worth nothing to who brings it.
    pub(crate) fn grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::Token { error: "invalid_grant", description: description.into() }
    }

    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::BadBody(_) => (400, Code::BadJson),
            Self::ClientRefused(_) => (400, Code::InvalidCredentials),
            Self::UnknownClient(_) => (400, Code::OauthClientNotFound),
            Self::Token { .. } => (400, Code::Unknown),
            Self::RegistrationDisabled => (403, Code::OauthDynamicClientRegistrationDisabled),
            Self::HeldSession => (403, Code::NoAuthorization),
            Self::ClientNotFound => (404, Code::OauthClientNotFound),
            Self::AuthorizationNotFound => (404, Code::OauthAuthorizationNotFound),
            Self::ConsentNotFound => (404, Code::OauthConsentNotFound),
        }
    }
}
