//! Keys, tokens and API keys.
//!
//! - [`KeySet`]: the keys of an installation, from a secret, a JWK, a JWK set or a list of private
//!   JWKs; signs with one of them, verifies with all, publishes the public ones.
//! - [`LiveKeys`]: a key set that is replaced while it is in use; [`Ring`]: the signing keys of an
//!   installation from standby to revoked.
//! - [`Verifier`]: a key set, a [`Policy`] and a bounded cache; what the edge asks per request.
//! - [`Verified`]: the claims and the role of a token that passed.
//! - [`RoleClaim`]: where in the claims the role is, in both of PostgREST's syntaxes.
//! - [`api_key`]: opaque keys (`sb_publishable_…`, `sb_secret_…`) and legacy JWT keys.
//! - [`generate`]: fresh keys and secrets.
//!
//! The algorithm of a token is a question put to the keys, never an instruction: a key verifies
//! with the algorithms of its own kind and no others, `none` is no algorithm, and a header with
//! extensions that we do not know (`crit`) is refused. Nothing here reads a file, a clock or the
//! environment.
//!
//! Signatures are made and verified by jsonwebtoken's `crypto`. Its `encode`, `decode` and JWK types
//! are not used: what is refused, in which order and in which words is PostgREST's and Auth's to
//! say, headers are spelled as upstream spells them, and JWKs of exporters that pad or drop zeros
//! are read. aws-lc-rs, on which jsonwebtoken stands, makes fresh keys, checks loaded ones and
//! hashes. ES512 keys are refused, because jsonwebtoken does not know the curve P-521.
//!
//! ```
//! use jwt::{KeySet, Policy};
//! let keys = KeySet::from_secret("a secret of at least thirty-two bytes");
//! let claims = serde_json::from_str(r#"{"role":"anon","exp":2000000000}"#).unwrap();
//! let token = keys.sign(&claims).unwrap();
//! let verified = keys.verify(&token, &Policy::default(), 1_700_000_000).unwrap();
//! assert_eq!(verified.role().map(|r| r.as_str()), Some("anon"));
//! ```

mod algorithm;
pub mod api_key;
mod error;
pub mod generate;
mod jwk;
mod key;
mod keyset;
mod live;
mod policy;
mod ring;
mod role_claim;
mod token;
mod verified;
mod verifier;

pub use algorithm::Algorithm;
pub use api_key::ApiKeys;
pub use error::{KeyError, SignError};
pub use keyset::KeySet;
pub use live::LiveKeys;
pub use policy::Policy;
pub use ring::{Ring, RingError, RingKey, State};
pub use role_claim::{RoleClaim, RoleClaimError};
pub use verified::Verified;
pub use verifier::Verifier;
