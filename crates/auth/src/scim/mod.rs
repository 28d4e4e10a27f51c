//! SCIM 2.0 (RFC 7643, 7644): identity providers of organisations keep the accounts of their people.
//!
//! - [`person`]: what an identity provider says of someone; [`patch`]: how it changes part of that; [`filter`]:
//!   whom it looks for.
//! - [`account`]: what becomes of the accounts.
//!
//! An identity provider proves itself by a token of its own and sees its own accounts, made here or by signing in,
//! and no others: not one that somebody had before. One of its own stays so whatever else its user signs in with.
//! People only, no groups, and of them what an account holds: other attributes are taken and not kept.

pub(crate) mod account;
pub(crate) mod filter;
pub(crate) mod patch;
pub(crate) mod person;

use crate::error::Error;

/// Why an identity provider is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It did not prove who it is.
    #[error("The token is missing or not valid")]
    Unknown,
    /// It may do nothing at present.
    #[error("The identity provider is disabled")]
    Disabled,
    /// What it says cannot be used.
    #[error("{detail}")]
    Invalid {
        /// The standard's word for it.
        kind: &'static str,
        detail: String,
    },
    /// Not among its people.
    #[error("Resource does not exist")]
    NotFound,
    /// No such endpoint.
    #[error("Endpoint or resource does not exist")]
    Nowhere,
    /// Lists of the server itself are not searched.
    #[error("Filtering is not supported on this endpoint")]
    NoFilter,
    /// Another of its people has that.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// It guessed too often; the number is seconds to wait.
    #[error("Request rate limit reached")]
    TooMany(u64),
    /// A failure of ours, or what the service refuses to everybody.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Refusal {
    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::Invalid { kind: "invalidValue", detail: detail.into() }
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::Invalid { kind: "invalidSyntax", detail: detail.into() }
    }

    /// The status, and the standard's word if it has one.
    pub(crate) fn place(&self) -> (u16, Option<&'static str>) {
        match self {
            Self::Unknown => (401, None),
            Self::Disabled | Self::NoFilter => (403, None),
            Self::Invalid { kind, .. } => (400, Some(kind)),
            Self::NotFound | Self::Nowhere => (404, None),
            Self::Taken(_) => (409, Some("uniqueness")),
            Self::TooMany(_) => (429, None),
            Self::Failed(error) => (kernel::ApiError::status(error), None),
        }
    }
}
