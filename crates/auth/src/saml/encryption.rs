//! Assertions that come encrypted.
//!
//! Every failure is the same failure, and its time is that of a sign-in that is refused for another reason:
//! ciphers that do not detect changes are only as safe as nobody can ask what became of a change. Keys
//! wrapped by PKCS#1 1.5 are refused for the same reason.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::Party;
use super::key::Key;
use super::xml::{self, DSIG, ENCRYPTION};

const ENCRYPTION_11: &str = "http://www.w3.org/2009/xmlenc11#";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";

/// Opens an `EncryptedAssertion`.
pub(crate) fn open(encrypted: Node<'_, '_>, party: &Party) -> Option<String> {
    let data = xml::child(encrypted, ENCRYPTION, "EncryptedData")?;
    let inside =
        xml::child(data, DSIG, "KeyInfo").and_then(|info| xml::child(info, ENCRYPTION, "EncryptedKey"));
    let wrapped = inside.or_else(|| xml::child(encrypted, ENCRYPTION, "EncryptedKey"))?;
    let (method, text) = (method(data)?, cipher_text(data)?);
    let (algorithm, key_text) = (wrapping(wrapped)?, cipher_text(wrapped)?);
    // During a change of keys it may be for either.
    let opened = [Some(&party.key), party.next.as_ref()].into_iter().flatten().find_map(|ours| {
        let key = unwrap(ours, algorithm, &key_text)?;
        decrypt(method, &key, text.clone())
    })?;
    String::from_utf8(opened).ok()
}

fn method<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    xml::child(node, ENCRYPTION, "EncryptionMethod")?.attribute("Algorithm")
}

fn cipher_text(node: Node<'_, '_>) -> Option<Vec<u8>> {
    let value = xml::child(xml::child(node, ENCRYPTION, "CipherData")?, ENCRYPTION, "CipherValue")?;
    let text: String = xml::text(value)?.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// How the key is wrapped.
fn wrapping(node: Node<'_, '_>) -> Option<&'static OaepAlgorithm> {
    let how = xml::child(node, ENCRYPTION, "EncryptionMethod")?;
    let digest = xml::child(how, DSIG, "DigestMethod").and_then(|node| node.attribute("Algorithm"));
    let mask = xml::child(how, ENCRYPTION_11, "MGF").and_then(|node| node.attribute("Algorithm"));
    let (digest, mask) = (digest.unwrap_or(SHA1), mask.and_then(|name| name.strip_prefix(ENCRYPTION_11)));
    match (how.attribute("Algorithm")?, digest, mask) {
        ("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", SHA1, None) => Some(&OAEP_SHA1_MGF1SHA1),
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", SHA1, None | Some("mgf1sha1")) => {
            Some(&OAEP_SHA1_MGF1SHA1)
        }
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", SHA256, Some("mgf1sha256")) => {
            Some(&OAEP_SHA256_MGF1SHA256)
        }
        _ => None,
    }
}

fn unwrap(ours: &Key, algorithm: &'static OaepAlgorithm, wrapped: &[u8]) -> Option<Vec<u8>> {
    let key = OaepPrivateDecryptingKey::new(ours.decrypting()?).ok()?;
    if wrapped.len() != key.key_size_bytes() {
        return None;
    }
    let mut plain = vec![0; key.min_output_size()];
    key.decrypt(algorithm, wrapped, &mut plain, None).ok().map(|plain| plain.to_vec())
}

fn decrypt(method: &str, key: &[u8], text: Vec<u8>) -> Option<Vec<u8>> {
    match method {
        "http://www.w3.org/2009/xmlenc11#aes128-gcm" => {
            sealed(UnboundKey::new(&AES_128_GCM, key).ok()?, text)
        }
        "http://www.w3.org/2009/xmlenc11#aes256-gcm" => {
            sealed(UnboundKey::new(&AES_256_GCM, key).ok()?, text)
        }
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => chained(&AES_128, key, text),
        "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => chained(&AES_192, key, text),
        "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => chained(&AES_256, key, text),
        _ => None,
    }
}

/// GCM: twelve bytes of nonce come first.
fn sealed(key: UnboundKey, mut text: Vec<u8>) -> Option<Vec<u8>> {
    let (nonce, sealed) = text.split_at_mut_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), sealed).ok()?;
    Some(opened.to_vec())
}

/// CBC: a block of initial values comes first; the last byte says how many to leave out.
fn chained(algorithm: &'static Algorithm, key: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
    let (initial, blocks) = text.split_at_mut_checked(16)?;
    let initial: [u8; 16] = (&*initial).try_into().ok()?;
    if blocks.is_empty() || blocks.len() % 16 != 0 {
        return None;
    }
    let key = PaddedBlockDecryptingKey::cbc_iso10126(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::from(initial));
    key.decrypt(blocks, context).ok().map(|plain| plain.to_vec())
}
