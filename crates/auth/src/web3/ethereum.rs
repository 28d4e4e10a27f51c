//! Signatures of Ethereum's wallets: `personal_sign`, from which the signer's address follows.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

/// Letters of a signature: 65 bytes in hex.
pub(super) const SIGNATURE: usize = 130;

/// True for `0x` and 40 hex digits.
pub(super) fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// True for the number of a chain, by EIP-155.
pub(super) fn is_network(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_ok_and(|number| number > 0)
}

/// Whether the wallet of `address` signed `message`. The signature is hex: r, s and the recovery id,
/// which wallets count from 0 or from 27.
pub(super) fn is_signed(address: &str, message: &str, signature: &str) -> bool {
    let digits = signature.strip_prefix("0x").unwrap_or(signature);
    let signer = hex::decode(digits).ok().and_then(|bytes| signer(message, &bytes));
    signer.is_some_and(|signer| signer.eq_ignore_ascii_case(address))
}

/// The address, in small letters, of whoever made this signature of the message.
fn signer(message: &str, signature: &[u8]) -> Option<String> {
    let (rs, [v]) = signature.split_at_checked(64)? else { return None };
    let id = RecoveryId::from_byte(v.checked_sub(27).unwrap_or(*v))?;
    let mut hash = Keccak256::new();
    hash.update(format!("\x19Ethereum Signed Message:\n{}", message.len()));
    hash.update(message);
    let signature = Signature::from_slice(rs).ok()?;
    let key = VerifyingKey::recover_from_prehash(&hash.finalize(), &signature, id).ok()?;
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    Some(format!("0x{}", hex::encode(hash.get(12..)?)))
}

/// The spellings of an address that wallets use: all small, and with the check of EIP-55 in the case
/// of its letters.
pub(super) fn spellings(address: &str) -> [String; 2] {
    let small = address.to_ascii_lowercase();
    let hash = hex::encode(Keccak256::digest(small.trim_start_matches("0x")));
    let checked = small.chars().enumerate().map(|(at, letter)| {
        let digit = at.checked_sub(2).and_then(|at| hash.as_bytes().get(at));
        if digit.is_some_and(|digit| *digit >= b'8') { letter.to_ascii_uppercase() } else { letter }
    });
    let checked = checked.collect();
    [small, checked]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k256::ecdsa::SigningKey;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vector_of_web3_js() {
        // From the documentation of web3.eth.accounts.sign.
        let address = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
        let signature = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c";
        assert!(is_signed(address, "Some data", signature));
        assert!(is_signed(&address.to_lowercase(), "Some data", signature.trim_start_matches("0x")));
        // The recovery id may count from 0.
        assert!(is_signed(address, "Some data", &signature.replace("291c", "2901")));
        assert!(!is_signed(address, "Some data", &signature.replace("291c", "291b")));
        assert!(!is_signed(address, "Some other data", signature));
        assert!(!is_signed("0x2c7536E3605D9C16a7a3D7b1898e529396a65c24", "Some data", signature));
        for broken in ["", "0x", "0xzz", &"0".repeat(130), &"f".repeat(130), &signature[..100]] {
            assert!(!is_signed(address, "Some data", broken), "{broken}");
        }
    }

    #[test]
    fn the_spellings_of_eip_55() {
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(spellings(&address.to_uppercase().replace("0X", "0x"))[1], address);
        }
    }

    #[test]
    fn addresses_and_networks() {
        assert!(is_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"));
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        ] {
            assert!(!is_address(text), "{text}");
        }
        assert!(is_network("1") && is_network("11155111"));
        for text in ["", "0", "-1", "+1", "1.0", "0x1", "99999999999999999999"] {
            assert!(!is_network(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn only_the_signer_signs(seed in 1_u8..=254, message in "\\PC{0,200}", flip in 0_usize..65, bits in 1_u8..=255) {
            let key = SigningKey::from_slice(&[seed; 32]).unwrap();
            let point = key.verifying_key().to_sec1_point(false);
            let address = format!("0x{}", hex::encode(&Keccak256::digest(&point.as_bytes()[1..])[12..]));
            let text = format!("\x19Ethereum Signed Message:\n{}{message}", message.len());
            let (signature, id) = key.sign_prehash_recoverable(&Keccak256::digest(text));
            let mut bytes = signature.to_bytes().to_vec();
            bytes.push(id.to_byte() + 27);
            prop_assert!(is_signed(&address, &message, &hex::encode(&bytes)));
            let other = format!("{message}.");
            prop_assert!(!is_signed(&address, &other, &hex::encode(&bytes)));
            bytes[flip] ^= bits;
            // The recovery id has two spellings.
            prop_assume!(bytes[64] != id.to_byte());
            prop_assert!(!is_signed(&address, &message, &hex::encode(&bytes)));
        }

        #[test]
        fn no_signature_brings_it_down(signature in "\\PC{0,140}|(0x)?[0-9a-f]{130}") {
            prop_assert!(!is_signed("0x0000000000000000000000000000000000000000", "message", &signature));
        }
    }
}
