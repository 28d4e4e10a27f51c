//! Secrets sealed in the database, in the form that Supabase Auth reads and writes.
//!
//! A sealed value is a JSON object. The key of each is derived from a configured one and the id of
//! what it belongs to, so that a value copied to another row does not open there. AES-256-GCM
//! under HKDF-SHA256.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::config::DbEncryption;

const ALGORITHM: &str = "aes-gcm-hkdf";

#[derive(Serialize, Deserialize)]
struct Sealed {
    key_id: String,
    alg: String,
    data: String,
    nonce: String,
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SealError {
    /// It was sealed under a key that is not among `auth.db_encryption.decryption_keys`.
    #[error("no key of the name `{0}` is configured")]
    UnknownKey(String),
    /// It is damaged, or belongs to another row.
    #[error("the value does not open")]
    Damaged,
}

/// `text` as the column of object `id` holds it: sealed if the settings say so.
pub(crate) fn write(settings: &DbEncryption, id: &str, text: &str) -> Result<String, SealError> {
    match settings.sealing() {
        Some((key_id, key)) => seal(key_id, &key, id, text, rand::random()),
        None => Ok(text.to_owned()),
    }
}

/// What the column of object `id` holds, opened if it is sealed.
pub(crate) fn read(settings: &DbEncryption, id: &str, column: &str) -> Result<String, SealError> {
    let Ok(sealed) = serde_json::from_str::<Sealed>(column) else {
        return Ok(column.to_owned());
    };
    let key = settings.opening(&sealed.key_id).ok_or(SealError::UnknownKey(sealed.key_id))?;
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| SealError::Damaged);
    let nonce: [u8; NONCE_LEN] = bytes(&sealed.nonce)?.try_into().map_err(|_| SealError::Damaged)?;
    let mut data = bytes(&sealed.data)?;
    if sealed.alg != ALGORITHM {
        return Err(SealError::Damaged);
    }
    let opened = derive(&key, id)?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut data)
        .map_err(|_| SealError::Damaged)?;
    String::from_utf8(opened.to_vec()).map_err(|_| SealError::Damaged)
}

/// Whether the settings would have the column hold something else: it is not sealed yet, or under another
/// key.
pub(crate) fn is_stale(settings: &DbEncryption, column: &str) -> bool {
    let Some((key_id, _)) = settings.sealing() else { return false };
    serde_json::from_str::<Sealed>(column).map_or(true, |sealed| sealed.key_id != key_id)
}

fn seal(
    key_id: &str,
    key: &[u8; 32],
    id: &str,
    text: &str,
    nonce: [u8; NONCE_LEN],
) -> Result<String, SealError> {
    let mut data = text.as_bytes().to_vec();
    derive(key, id)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut data)
        .map_err(|_| SealError::Damaged)?;
    let sealed = Sealed {
        key_id: key_id.to_owned(),
        alg: ALGORITHM.to_owned(),
        data: STANDARD.encode(data),
        nonce: STANDARD.encode(nonce),
    };
    serde_json::to_string(&sealed).map_err(|_| SealError::Damaged)
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        AES_256_GCM.key_len()
    }
}

/// The key of one object. No salt is the salt of as many zeros as the hash has bytes.
fn derive(key: &[u8; 32], id: &str) -> Result<LessSafeKey, SealError> {
    let mut bytes = [0; 32];
    Salt::new(HKDF_SHA256, &[0; 32])
        .extract(key)
        .expand(&[id.as_bytes()], KeyLength)
        .and_then(|derived| derived.fill(&mut bytes))
        .map_err(|_| SealError::Damaged)?;
    UnboundKey::new(&AES_256_GCM, &bytes).map(LessSafeKey::new).map_err(|_| SealError::Damaged)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kernel::Secret;

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const ID: &str = "3f2b8c1e-5a77-4d0e-9c61-0a1b2c3d4e5f";

    fn settings(encrypt: bool) -> DbEncryption {
        DbEncryption {
            encrypt,
            encryption_key_id: "k1".to_owned(),
            encryption_key: Secret::new(KEY),
            decryption_keys: Secret::new(format!("k1:{KEY}")),
        }
    }

    #[test]
    fn vector() {
        let key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let expected = r#"{"key_id":"k1","alg":"aes-gcm-hkdf","data":"6VauHHMdbAavSwRBsU6wOkeFY9+I","nonce":"AAECAwQFBgcICQoL"}"#;
        assert_eq!(seal("k1", &key, ID, "hello", nonce).unwrap(), expected);
        assert_eq!(read(&settings(false), ID, expected).unwrap(), "hello");
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let sealed = write(&settings(true), ID, "SECRET").unwrap();
        assert!(!sealed.contains("SECRET"));
        assert_eq!(read(&settings(true), ID, &sealed).unwrap(), "SECRET");
        assert_eq!(read(&settings(true), "another", &sealed), Err(SealError::Damaged));
        let stranger = DbEncryption::default();
        assert_eq!(read(&stranger, ID, &sealed), Err(SealError::UnknownKey("k1".to_owned())));
    }

    #[test]
    fn what_another_key_sealed_is_stale() {
        let sealed = write(&settings(true), ID, "SECRET").unwrap();
        let newer = DbEncryption { encryption_key_id: "k2".to_owned(), ..settings(true) };
        assert!(is_stale(&newer, &sealed) && is_stale(&newer, "SECRET"));
        assert!(!is_stale(&settings(true), &sealed));
        assert!(!is_stale(&settings(false), "SECRET"));
    }

    #[test]
    fn what_is_not_sealed_is_as_it_is() {
        assert_eq!(write(&settings(false), ID, "SECRET").unwrap(), "SECRET");
        assert_eq!(read(&settings(true), ID, "SECRET").unwrap(), "SECRET");
        assert_eq!(read(&settings(true), ID, "{}").unwrap(), "{}");
    }
}
