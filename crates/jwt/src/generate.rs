//! Fresh keys and secrets, from the operating system's randomness.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use kernel::Secret;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::Algorithm;
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

/// A private JWK that signs, with a random UUID as `kid`, in the form of `GOTRUE_JWT_KEYS`'
/// elements; `None` for algorithms that fresh keys are not made for (HS384, RS512, ES384 …).
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn signing_key(algorithm: Algorithm) -> Result<Option<Secret>, NoRandomness> {
    let jwk = match algorithm {
        Algorithm::ES256 => p256()?,
        Algorithm::RS256 => rsa()?,
        Algorithm::EdDSA => ed25519()?,
        Algorithm::HS256 => json!({ "kty": "oct", "k": base64url::encode(&bytes::<48>()?) }),
        _ => return Ok(None),
    };
    Ok(Some(signing(jwk, algorithm)))
}

/// A private ES256 JWK, as [`signing_key`] makes them.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn es256() -> Result<Secret, NoRandomness> {
    Ok(signing(p256()?, Algorithm::ES256))
}

fn signing(mut jwk: Value, algorithm: Algorithm) -> Secret {
    jwk["alg"] = json!(algorithm.name());
    jwk["use"] = json!("sig");
    jwk["key_ops"] = json!(["sign", "verify"]);
    jwk["kid"] = json!(Uuid::new_v4().to_string());
    Secret::new(jwk.to_string())
}

fn p256() -> Result<Value, NoRandomness> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NoRandomness)?;
    let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| NoRandomness)?;
    // An uncompressed point: one byte of format, then both coordinates.
    let (x, y) =
        pair.public_key().as_ref().get(1..).and_then(|xy| xy.split_at_checked(32)).ok_or(NoRandomness)?;
    Ok(json!({
        "kty": "EC",
        "crv": "P-256",
        "x": base64url::encode(x),
        "y": base64url::encode(y),
        "d": base64url::encode(private.as_ref()),
    }))
}

fn ed25519() -> Result<Value, NoRandomness> {
    let pair = Ed25519KeyPair::generate().map_err(|_| NoRandomness)?;
    let seed = pair.seed().map_err(|_| NoRandomness)?;
    let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| NoRandomness)?;
    Ok(json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url::encode(pair.public_key().as_ref()),
        "d": base64url::encode(seed.as_ref()),
    }))
}

fn rsa() -> Result<Value, NoRandomness> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NoRandomness)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| NoRandomness)?;
    rsa_jwk(der.as_ref()).ok_or(NoRandomness)
}

/// The numbers of an RSA key in PKCS#8 (RFC 5208, 5; RFC 8017, A.1.2), which is the only form that
/// a fresh one can be had in.
fn rsa_jwk(mut pkcs8: &[u8]) -> Option<Value> {
    const INTEGER: u8 = 0x02;
    const OCTET_STRING: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    let mut info = element(&mut pkcs8, SEQUENCE)?;
    element(&mut info, INTEGER)?;
    element(&mut info, SEQUENCE)?;
    let mut key = element(&mut info, OCTET_STRING)?;
    let mut numbers = element(&mut key, SEQUENCE)?;
    element(&mut numbers, INTEGER)?;
    let mut jwk = json!({ "kty": "RSA" });
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let number = element(&mut numbers, INTEGER)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        jwk[name] = json!(base64url::encode(number.get(zeros..)?));
    }
    Some(jwk)
}

/// The content of the DER element with which `input` begins, if it has this tag; `input` goes on
/// behind it.
fn element<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let rest = input.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first.checked_sub(0x80) {
        None => (usize::from(*first), rest),
        Some(size) => {
            let (bytes, rest) = rest.split_at_checked(usize::from(size))?;
            let add = |length: usize, byte: &u8| length.checked_mul(256)?.checked_add(usize::from(*byte));
            (bytes.iter().try_fold(0, add)?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(content)
}
