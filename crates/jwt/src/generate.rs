//! Fresh keys and secrets, from the operating system's randomness.

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use kernel::Secret;
use serde_json::json;
use thiserror::Error;
use uuid::Uuid;

use crate::token::base64url;

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
///
/// If the operating system has none.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A secret of 64 URL-safe characters with 384 random bits, for HS256 and passwords.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn secret() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(base64url::encode(&bytes::<48>()?)))
}

/// A private ES256 JWK that signs, with a random UUID as `kid`, in the form of `GOTRUE_JWT_KEYS`'
/// elements.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn es256() -> Result<Secret, NoRandomness> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NoRandomness)?;
    let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| NoRandomness)?;
    // An uncompressed point: one byte of format, then both coordinates.
    let (x, y) =
        pair.public_key().as_ref().get(1..).and_then(|xy| xy.split_at_checked(32)).ok_or(NoRandomness)?;
    let jwk = json!({
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "use": "sig",
        "key_ops": ["sign", "verify"],
        "kid": Uuid::new_v4().to_string(),
        "x": base64url::encode(x),
        "y": base64url::encode(y),
        "d": base64url::encode(private.as_ref()),
    });
    Ok(Secret::new(jwk.to_string()))
}
