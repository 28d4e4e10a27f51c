//! Refresh tokens as text.
//!
//! Version 1 is twelve random characters that are looked up. Version 2 carries its session, a
//! counter and a signature by a key of that session, so that nothing is stored per token:
//! `version ‖ session ‖ counter (LEB128) ‖ HMAC-SHA256, 16 bytes ‖ SHA-256 of all before, 4 bytes`,
//! in base64url without padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const VERSION: u8 = 0;
const V1_LENGTH: usize = 12;
const SIGNATURE: usize = 16;
const CHECKSUM: usize = 4;
const KEY: usize = 32;

/// A presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RefreshToken {
    /// To be looked up.
    V1(String),
    /// To be checked against its session.
    V2(Signed),
}

/// A token of version 2 whose signature is still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) session_id: Uuid,
    pub(crate) counter: i64,
    message: Vec<u8>,
    signature: [u8; SIGNATURE],
}

impl RefreshToken {
    /// The token, or `None` if we cannot have written it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() == V1_LENGTH {
            let ours = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            return ours.then(|| Self::V1(text.to_owned()));
        }
        Signed::parse(text).map(Self::V2)
    }

    /// A fresh token of version 1.
    pub(crate) fn fresh_v1() -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let bytes: [u8; V1_LENGTH] = rand::random();
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }
}

impl Signed {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if !bool::from(Sha256::digest(body).get(..CHECKSUM)?.ct_eq(checksum)) {
            return None;
        }
        let (message, signature) = body.split_at_checked(body.len().checked_sub(SIGNATURE)?)?;
        let (&version, rest) = message.split_first()?;
        let (session, counter) = rest.split_at_checked(16)?;
        if version != VERSION {
            return None;
        }
        Some(Self {
            session_id: Uuid::from_slice(session).ok()?,
            counter: read_leb128(counter)?,
            message: message.to_vec(),
            signature: signature.try_into().ok()?,
        })
    }

    /// True if the session's key signed this.
    pub(crate) fn is_signed_by(&self, key: &SessionKey) -> bool {
        key.sign(&self.message).ct_eq(&self.signature).into()
    }
}

/// What signs the refresh tokens of one session.
#[derive(Clone)]
pub(crate) struct SessionKey([u8; KEY]);

impl SessionKey {
    pub(crate) fn fresh() -> Self {
        Self(rand::random())
    }

    /// The key as its column holds it once opened, or `None` if it is damaged.
    pub(crate) fn read(column: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(column).ok()?.try_into().ok().map(Self)
    }

    /// The key for its column.
    pub(crate) fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The token with this number.
    pub(crate) fn token(&self, session_id: Uuid, counter: i64) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(session_id.as_bytes());
        write_leb128(&mut bytes, counter.unsigned_abs());
        let signature = self.sign(&bytes);
        bytes.extend_from_slice(&signature);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum.iter().take(CHECKSUM));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        let mut mac = Hmac::<Sha256>::new(&self.0.into_block());
        mac.update(message);
        let mut signature = [0; SIGNATURE];
        for (to, from) in signature.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        signature
    }
}

/// An HMAC key of less than a block is the same key padded with zeros.
trait IntoBlock {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>>;
}

impl IntoBlock for [u8; KEY] {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(self) {
            *to = from;
        }
        block
    }
}

fn write_leb128(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// The number that fills `bytes` exactly and in its shortest form.
fn read_leb128(bytes: &[u8]) -> Option<i64> {
    let (last, _) = bytes.split_last()?;
    if bytes.len() > 9 || (*last == 0 && bytes.len() > 1) {
        return None;
    }
    let mut number = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let continues = byte & 0x80 != 0;
        if continues != (position + 1 < bytes.len()) {
            return None;
        }
        number |= i64::from(byte & 0x7f) << (7 * position);
    }
    Some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STORED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const SESSION: Uuid = Uuid::from_u128(0x3f2b_8c1e_5a77_4d0e_9c61_0a1b_2c3d_4e5f);
    const VECTORS: [(i64, &str); 3] = [
        (0, "AD8rjB5ad00OnGEKGyw9Tl8A38WF6-0VHhv_PGkbpNnaQisu_dc"),
        (1, "AD8rjB5ad00OnGEKGyw9Tl8B8-yT1w9YwwcGVGt_pu_Lma4PZ6k"),
        (300, "AD8rjB5ad00OnGEKGyw9Tl-sAqY_lGzUiiV5vjHLj8dwN4GYiU4p"),
    ];

    #[test]
    fn vectors() {
        let key = SessionKey::read(STORED).unwrap();
        assert_eq!(key.write(), STORED);
        for (counter, text) in VECTORS {
            assert_eq!(key.token(SESSION, counter), text);
            let Some(RefreshToken::V2(token)) = RefreshToken::parse(text) else { panic!("{text}") };
            assert_eq!((token.session_id, token.counter), (SESSION, counter));
            assert!(token.is_signed_by(&key));
            assert!(!token.is_signed_by(&SessionKey::fresh()));
        }
    }

    #[test]
    fn no_changed_letter_passes() {
        let key = SessionKey::read(STORED).unwrap();
        for (_, text) in VECTORS {
            for at in 0..text.len() {
                for letter in ["A", "B", "_", "=", "é"] {
                    let mut changed = text.to_owned();
                    changed.replace_range(at..=at, letter);
                    if changed != text {
                        let passes = match RefreshToken::parse(&changed) {
                            Some(RefreshToken::V2(token)) => token.is_signed_by(&key),
                            _ => false,
                        };
                        assert!(!passes, "{changed}");
                    }
                }
            }
            assert_eq!(RefreshToken::parse(&text[1..]), None);
            assert_eq!(RefreshToken::parse(&format!("{text}A")), None);
        }
    }

    #[test]
    fn version_1() {
        let fresh = RefreshToken::fresh_v1();
        assert_eq!(RefreshToken::parse(&fresh), Some(RefreshToken::V1(fresh.clone())));
        for text in ["", "abc", "abcdefghijk", "ABCDEFGHIJKL", "abcdefghijk'", "abcdefghijklm"] {
            assert_eq!(RefreshToken::parse(text), None, "{text}");
        }
    }

    #[test]
    fn leb128_is_read_in_its_shortest_form_only() {
        for number in [0, 1, 127, 128, 300, 1 << 40, i64::MAX] {
            let mut bytes = Vec::new();
            write_leb128(&mut bytes, number.unsigned_abs());
            assert_eq!(read_leb128(&bytes), Some(number));
        }
        for bytes in [&[][..], &[0x80], &[0x80, 0x00], &[0x01, 0x01], &[0xff; 10]] {
            assert_eq!(read_leb128(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key: [u8; KEY], session: u128, counter in 0..=i64::MAX) {
            let (key, session) = (SessionKey(key), Uuid::from_u128(session));
            let text = key.token(session, counter);
            let Some(RefreshToken::V2(token)) = RefreshToken::parse(&text) else { panic!("{text}") };
            prop_assert_eq!((token.session_id, token.counter), (session, counter));
            prop_assert!(token.is_signed_by(&key));
        }

        #[test]
        fn no_text_is_a_token_by_chance(text in "\\PC{0,80}|[A-Za-z0-9_-]{36,120}") {
            if let Some(RefreshToken::V2(token)) = RefreshToken::parse(&text) {
                prop_assert!(!token.is_signed_by(&SessionKey::read(STORED).unwrap()));
            }
        }
    }
}
