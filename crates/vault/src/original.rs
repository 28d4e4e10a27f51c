//! Opening what the original extension sealed.
//!
//! Supabase Vault stores base64 of `ciphertext ‖ tag`, made by the deterministic XChaCha20 of
//! libsodium's SIV construction with the row's id as associated data. The root key lies in a file of
//! the old server (`pgsodium_root.key`, 64 hex digits); with it, secrets of a dump can be taken over
//! (see [`crate::admin::adopt`]). Nothing is written in this form.
//!
//! Refused: rows that name a key of `pgsodium.key` (before 0.3 of the extension).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::Blake2bMac;
use blake2::digest::consts::{U32, U64};
use blake2::digest::{FixedOutput, Update};
use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use kernel::Secret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a block, a key and a tag.
const BLOCK: usize = 32;

/// The part of the tag that is the nonce of the stream.
const STREAM_NONCE: usize = 24;

type Block = [u8; BLOCK];

/// The key of an original installation.
pub struct RootKey(Zeroizing<Block>);

/// The secret was sealed with another key, belongs to another row, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unopened;

impl RootKey {
    /// The key in the text of its file: 64 hex digits and white space around them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; BLOCK]);
        hex::decode_to_slice(text.trim(), key.as_mut_slice()).ok().map(|()| Self(key))
    }
}

/// The secret `sealed` of the row `id`.
///
/// # Errors
///
/// [`Unopened`]; also if it is no text.
pub(crate) fn open(root: &RootKey, id: &str, nonce: Option<&[u8]>, sealed: &str) -> Result<Secret, Unopened> {
    // Postgres breaks base64 into lines.
    let sealed: String = sealed.split_ascii_whitespace().collect();
    let sealed = STANDARD.decode(sealed).map_err(|_| Unopened)?;
    let (text, tag) = sealed.split_last_chunk::<BLOCK>().ok_or(Unopened)?;
    let keys = Keys::of(root)?;
    let mut plain = Zeroizing::new(text.to_vec());
    let (iv, _) = tag.split_first_chunk::<STREAM_NONCE>().ok_or(Unopened)?;
    XChaCha20::new((&*keys.stream).into(), iv.into()).apply_keystream(&mut plain);
    let expected = keys.tag(id.as_bytes(), nonce, &plain)?;
    if !bool::from(expected.ct_eq(tag)) {
        return Err(Unopened);
    }
    std::str::from_utf8(&plain).map(Secret::new).map_err(|_| Unopened)
}

/// What is derived from the root key.
struct Keys {
    tag: Zeroizing<Block>,
    stream: Zeroizing<Block>,
}

impl Keys {
    /// libsodium's key derivation with key id 0 and context `pgsodium`, then one key for each use.
    fn of(root: &RootKey) -> Result<Self, Unopened> {
        let mut personal = [0; 16];
        personal[..8].copy_from_slice(b"pgsodium");
        let key = Zeroizing::new(hash(&root.0, &[0; 16], &personal, &[])?);
        let both = Blake2bMac::<U64>::new_with_salt_and_personal(Some(key.as_slice()), &[], &[]);
        let both: [u8; 2 * BLOCK] = both.map_err(|_| Unopened)?.finalize_fixed().into();
        let both = Zeroizing::new(both);
        let mut keys = Self { tag: Zeroizing::new([0; BLOCK]), stream: Zeroizing::new([0; BLOCK]) };
        let (tag, stream) = both.split_at(BLOCK);
        keys.tag.copy_from_slice(tag);
        keys.stream.copy_from_slice(stream);
        Ok(keys)
    }

    /// S2V over associated data, nonce and message.
    fn tag(&self, data: &[u8], nonce: Option<&[u8]>, message: &[u8]) -> Result<Block, Unopened> {
        let mac = |message: &[u8]| hash(&self.tag, &[], &[], message);
        let mut sum = mac(&[0; BLOCK])?;
        for input in [Some(data).filter(|data| !data.is_empty()), nonce].into_iter().flatten() {
            double(&mut sum);
            add(&mut sum, &mac(input)?);
        }
        let mut last = Zeroizing::new(message.to_vec());
        if let Some(end) = last.last_chunk_mut::<BLOCK>() {
            add(end, &sum);
        } else {
            double(&mut sum);
            last.push(0x80);
            last.resize(BLOCK, 0);
            last.iter_mut().zip(&sum).for_each(|(byte, other)| *byte ^= other);
        }
        mac(&last)
    }
}

/// BLAKE2b-256 with a key.
fn hash(key: &Block, salt: &[u8], personal: &[u8], message: &[u8]) -> Result<Block, Unopened> {
    let mac = Blake2bMac::<U32>::new_with_salt_and_personal(Some(key), salt, personal);
    let mut mac = mac.map_err(|_| Unopened)?;
    mac.update(message);
    Ok(mac.finalize_fixed().into())
}

fn add(sum: &mut Block, other: &Block) {
    sum.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// Doubling in the field of 2^256 elements, big endian.
fn double(block: &mut Block) {
    let carry = block[0] >> 7;
    for index in 0..BLOCK {
        let next = block.get(index + 1).map_or(0, |next| next >> 7);
        block[index] = block[index] << 1 | next;
    }
    block[BLOCK - 2] ^= 0x04 * carry;
    block[BLOCK - 1] ^= 0x25 * carry;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ID: &str = "00000000-0000-4000-8000-000000000001";
    const ROOT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// Made with libsodium.
    const SEALED: [(&str, &str); 3] = [
        ("s3kr3t_k3y", "X5mtDDx/HSbFSyeYZIU7H5ogc2H/5B8aONpUW1IczstZHjj0BNUSXLhf"),
        ("", "Vt8Zs7WwdYnoVtE3T3yOTFj9D9U7BrpxkGTwEslh/00="),
        (
            "a secret that is longer than thirty-two bytes, with é",
            "6oZ/gc+ECdhyj1AJVLHr1DooBFZEPHHO5sJKPpUWgom36CD89m6YNExZJcxBRe3c1xs6g2+MkkRC5TaG5+gnVnUcGHQ8\nyxmD2IFfN9EXqDydGZ1190s=",
        ),
    ];

    fn nonce() -> Vec<u8> {
        (0xa0..=0xaf).collect()
    }

    #[test]
    fn what_the_original_sealed_is_opened() {
        let root = RootKey::parse(&format!(" {ROOT}\n")).unwrap();
        for (plain, sealed) in SEALED {
            assert_eq!(open(&root, ID, Some(&nonce()), sealed).unwrap().expose(), plain);
        }
    }

    #[test]
    fn nothing_else_is() {
        let root = RootKey::parse(ROOT).unwrap();
        let other = RootKey::parse(&ROOT.replace("1f", "20")).unwrap();
        for (_, sealed) in SEALED {
            let opened = |root: &RootKey, id: &str, nonce: Option<&[u8]>, sealed: &str| {
                open(root, id, nonce, sealed).is_ok()
            };
            assert!(!opened(&other, ID, Some(&nonce()), sealed));
            assert!(!opened(&root, &ID.replace('1', "2"), Some(&nonce()), sealed));
            assert!(!opened(&root, ID, None, sealed));
            assert!(!opened(&root, ID, Some(&[0; 16]), sealed));
            let mut bytes = STANDARD.decode(sealed.replace('\n', "")).unwrap();
            for index in 0..bytes.len() {
                bytes[index] ^= 1;
                assert!(!opened(&root, ID, Some(&nonce()), &STANDARD.encode(&bytes)), "{index}");
                bytes[index] ^= 1;
            }
            assert!(!opened(&root, ID, Some(&nonce()), &STANDARD.encode(&bytes[..bytes.len() - 1])));
        }
        for text in ["", "?", "AAAA", "b1:AAAA"] {
            assert!(open(&root, ID, None, text).is_err());
        }
    }

    #[test]
    fn a_root_key_is_64_hex_digits() {
        for text in ["", &ROOT[1..], &format!("{ROOT}00"), &ROOT.replace('0', "g")] {
            assert!(RootKey::parse(text).is_none(), "{text}");
        }
    }
}
