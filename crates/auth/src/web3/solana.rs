//! Signatures of Solana's wallets: Ed25519, by the key that the address is.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A public key.
type Key = [u8; 32];

/// True for what may be the base58 of 32 bytes.
pub(super) fn is_address(text: &str) -> bool {
    (32..=44).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// True for the name of a cluster, or none.
pub(super) fn is_network(text: &str) -> bool {
    matches!(text, "" | "solana:mainnet" | "solana:devnet" | "solana:testnet" | "solana:localnet")
}

/// Why a text cannot be a signature.
pub(super) fn unreadable(signature: &str) -> Option<&'static str> {
    if !matches!(signature.len(), 86 | 88) {
        return Some("signature must be 64 bytes encoded as base64 with or without padding");
    }
    decode(signature).is_none().then_some("signature does not contain valid base64 characters")
}

/// Base64 in either alphabet, padded or not.
fn decode(signature: &str) -> Option<Vec<u8>> {
    let plain = signature.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(plain).ok()
}

/// Whether the wallet of `address` signed `message`, which `domain` asked for.
pub(super) fn is_signed(address: &str, domain: &str, message: &str, signature: &str) -> bool {
    let Some((key, signature)) = key(address).zip(decode(signature)) else { return false };
    let verifier = UnparsedPublicKey::new(&ED25519, key);
    verifier.verify(message.as_bytes(), &signature).is_ok()
        || off_chain(&key, domain, message).is_some_and(|text| verifier.verify(&text, &signature).is_ok())
}

fn key(address: &str) -> Option<Key> {
    base58(address)?.try_into().ok()
}

/// What a Ledger signs in place of the message: Solana's proposal for off-chain messages, in the
/// reading of Supabase Auth.
fn off_chain(key: &Key, domain: &str, message: &str) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    let mut application = [0; 32];
    application.iter_mut().zip(domain.bytes()).for_each(|(slot, byte)| *slot = byte);
    let (version, format, signers) = (0, 0, 1);
    let mut text = b"\xffsolana offchain".to_vec();
    text.push(version);
    text.extend(application);
    text.extend([format, signers]);
    text.extend(key);
    text.extend(length.to_le_bytes());
    text.extend(message.bytes());
    Some(text)
}

fn base58(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // The number, its smallest byte first.
    let mut bytes: Vec<u8> = Vec::new();
    for letter in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            [*byte, ..] = carry.to_le_bytes();
            carry >>= 8;
        }
        while carry > 0 {
            let [low, ..] = carry.to_le_bytes();
            bytes.push(low);
            carry >>= 8;
        }
    }
    bytes.extend(text.bytes().take_while(|letter| *letter == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::engine::general_purpose::STANDARD;

    use proptest::prelude::*;

    use super::*;

    /// The base58 of a key; only tests need this direction.
    fn address_of(key: &[u8]) -> String {
        const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut number = key.to_vec();
        let mut letters = Vec::new();
        while number.iter().any(|byte| *byte != 0) {
            let mut rest = 0_u32;
            for byte in &mut number {
                let value = rest * 256 + u32::from(*byte);
                *byte = (value / 58) as u8;
                rest = value % 58;
            }
            letters.push(ALPHABET[rest as usize] as char);
        }
        letters.extend(key.iter().take_while(|byte| **byte == 0).map(|_| '1'));
        letters.iter().rev().collect()
    }

    #[test]
    fn numbers_to_the_base_of_58() {
        // From draft-msporny-base58, section 5.
        assert_eq!(base58("2NEpo7TZRRrLZSi2U").unwrap(), b"Hello World!");
        assert_eq!(
            base58("USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z").unwrap(),
            b"The quick brown fox jumps over the lazy dog."
        );
        assert_eq!(base58("11233QC4").unwrap(), [0, 0, 0x28, 0x7f, 0xb4, 0xcd]);
        assert_eq!(base58("0OIl"), None);
        // The program that owns all accounts of the system.
        assert_eq!(key("11111111111111111111111111111111"), Some([0; 32]));
        assert_eq!(key("1111111111111111111111111111111"), None);
    }

    #[test]
    fn signatures() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let address = address_of(pair.public_key().as_ref());
        assert!(is_address(&address), "{address}");
        let text = |bytes: &[u8]| STANDARD.encode(bytes);
        let signature = text(pair.sign(b"message").as_ref());
        assert!(is_signed(&address, "a.test", "message", &signature));
        assert!(is_signed(&address, "a.test", "message", signature.trim_end_matches('=')));
        assert!(is_signed(&address, "a.test", "message", &signature.replace('+', "-").replace('/', "_")));
        assert!(!is_signed(&address, "a.test", "another", &signature));
        assert!(!is_signed("11111111111111111111111111111111", "a.test", "message", &signature));
        assert!(!is_signed("no base58", "a.test", "message", &signature));
        // A Ledger signs the message in an envelope, which names who asked.
        let envelope = off_chain(&key(&address).unwrap(), "a.test", "message").unwrap();
        assert_eq!(envelope.len(), 16 + 1 + 32 + 2 + 32 + 2 + 7);
        let signature = text(pair.sign(&envelope).as_ref());
        assert!(is_signed(&address, "a.test", "message", &signature));
        assert!(!is_signed(&address, "b.test", "message", &signature));
    }

    #[test]
    fn what_cannot_be_a_signature() {
        assert_eq!(unreadable(&"A".repeat(86)), None);
        assert_eq!(unreadable(&format!("{}==", "A".repeat(86))), None);
        assert!(unreadable("AAAA").is_some_and(|text| text.contains("64 bytes")));
        assert!(unreadable(&"!".repeat(86)).is_some_and(|text| text.contains("base64 characters")));
    }

    proptest! {
        #[test]
        fn keys_survive_their_spelling(bytes: Key) {
            let address = address_of(&bytes);
            prop_assert_eq!(key(&address), Some(bytes));
            prop_assert!(is_address(&address), "{}", address);
        }

        #[test]
        fn no_text_brings_it_down(address in "\\PC{0,50}|[1-9A-HJ-NP-Za-km-z]{32,44}", signature in "\\PC{0,90}") {
            prop_assert!(!is_signed(&address, "a.test", "message", &signature));
            let _ = unreadable(&signature);
        }
    }
}
