//! What single sign-on answers when it fails.

use super::Code;
use crate::saml::response::Invalid;

/// A refusal around single sign-on.
#[derive(Debug, thiserror::Error)]
pub enum Saml {
    // 400
    /// A message of an identity provider that does not count.
    #[error("SAML Assertion is not valid")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An assertion about nobody in particular.
    #[error(
        "SAML Assertion did not contain a persistent Subject Identifier attribute or Subject NameID uniquely \
         identifying this user"
    )]
    NoUserId,
    /// An assertion about somebody without an address.
    #[error("SAML Assertion does not contain an email address")]
    NoEmail,
    /// The provider's metadata cannot be had.
    #[error("{0}")]
    Fetch(String),
    /// The metadata is another provider's.
    #[error(
        "SAML Metadata can be updated only if the EntityID matches for the provider; expected '{expected}' but got \
         '{found}'"
    )]
    OtherEntity {
        /// The provider's name.
        expected: String,
        /// The name in the metadata.
        found: String,
    },
    /// A domain is another provider's.
    #[error("{0}")]
    DomainTaken(String),
    /// The sign-in was completed before.
    #[error("State has already been used")]
    StateUsed,

    // 404 and 422
    /// No such identity provider.
    #[error("{0}")]
    NoProvider(&'static str),
    /// The identity provider is switched off.
    #[error("{0}")]
    Disabled(&'static str),
    /// The sign-in is not under way.
    #[error("SAML RelayState does not exist, try logging in again?")]
    RelayStateNotFound,
    /// The sign-in took too long.
    #[error("SAML RelayState has expired. Try logging in again?")]
    RelayStateExpired,
    /// A message from an identity provider that nobody set up.
    #[error("A SAML connection has not been established with this Identity Provider")]
    UnknownIssuer,
    /// The identity provider is set up already.
    #[error("SAML Identity Provider with this EntityID ({0}) already exists")]
    EntityExists(String),
    /// Two changes at once.
    #[error("{0}")]
    Conflict(&'static str),
}

impl From<Invalid> for Saml {
    fn from(reason: Invalid) -> Self {
        Self::Invalid(Box::new(reason))
    }
}

impl Saml {
    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::Invalid(_) => (400, Code::ValidationFailed),
            Self::NoUserId => (400, Code::SamlAssertionNoUserId),
            Self::NoEmail => (400, Code::SamlAssertionNoEmail),
            Self::Fetch(_) => (400, Code::SamlMetadataFetchFailed),
            Self::OtherEntity { .. } => (400, Code::SamlEntityIdMismatch),
            Self::DomainTaken(_) => (400, Code::SsoDomainAlreadyExists),
            Self::StateUsed => (400, Code::FlowStateAlreadyUsed),
            Self::NoProvider(_) => (404, Code::SsoProviderNotFound),
            Self::Disabled(_) => (404, Code::SsoProviderDisabled),
            Self::RelayStateNotFound => (404, Code::SamlRelayStateNotFound),
            Self::UnknownIssuer => (404, Code::SamlIdpNotFound),
            Self::RelayStateExpired => (422, Code::SamlRelayStateExpired),
            Self::EntityExists(_) => (422, Code::SamlIdpAlreadyExists),
            Self::Conflict(_) => (422, Code::Conflict),
        }
    }
}
