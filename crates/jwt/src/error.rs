//! Why keys are unusable. No variant carries key material.

use thiserror::Error;

/// Key text that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not a JWK, a JWK set or a list of JWKs.
    #[error("not a JSON Web Key, a key set or a list of keys")]
    NotJwk,
    /// A member that the key's type demands is missing.
    #[error("key {0}: `{1}` is missing")]
    Missing(String, &'static str),
    /// A member is not what its name demands.
    #[error("key {0}: `{1}` is not valid")]
    Malformed(String, &'static str),
    /// The parts of a key do not belong together, or the key is too weak.
    #[error("key {0}: the parts do not form a usable key")]
    Rejected(String),
    /// A key for ES512.
    #[error("key {0}: ES512 (the curve P-521) is not supported; use ES256 or ES384")]
    Es512(String),
    /// None of the keys is of a supported kind.
    #[error("no key of a supported kind (oct, RSA, EC P-256/P-384, OKP Ed25519)")]
    Empty,
    /// More than one key claims to sign.
    #[error("exactly one key may have \"sign\" in its key_ops; there are {0}")]
    Signers(usize),
    /// A key that shall sign lacks its private part.
    #[error("key {0}: key_ops has \"sign\" but the private part is missing")]
    NotPrivate(String),
    /// A plain secret below the minimum (PostgREST's wording).
    #[error("The JWT secret must be at least 32 characters long.")]
    TooShort,
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// No configured key can sign.
    #[error("no signing key is configured")]
    NoKey,
    /// The cryptographic library refused; happens only when it is out of memory or randomness.
    #[error("signing failed")]
    Failed,
}
