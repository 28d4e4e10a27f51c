//! The key by which identity providers know us, and the certificate that carries it.
//!
//! The certificate is Supabase Auth's, byte for byte: identity providers that know it from an
//! installation of that need not be told anything new.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A private key with its certificate.
pub(crate) struct Key {
    pair: RsaKeyPair,
    /// DER.
    certificate: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Says what keeps `text` from being a key.
    pub(crate) fn check(text: &str) -> Result<(), &'static str> {
        pair(text).map(drop)
    }

    /// The key of a setting. `external_url` is the address of this API, whose host the certificate names.
    pub(crate) fn read(text: &str, external_url: &str, decrypts: bool) -> Result<Self, &'static str> {
        let pair = pair(text)?;
        let certificate = certificate(&pair, host(external_url), decrypts)?;
        Ok(Self { pair, certificate })
    }

    /// The certificate: DER in base64.
    pub(crate) fn certificate(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// The signature of `message`, RSA with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, &'static str> {
        sign(&self.pair, message)
    }

    /// The same key, for what is encrypted for us.
    pub(crate) fn decrypting(&self) -> Option<PrivateDecryptingKey> {
        let der = self.pair.as_der().ok()?;
        PrivateDecryptingKey::from_pkcs8(der.as_ref()).ok()
    }
}

fn pair(text: &str) -> Result<RsaKeyPair, &'static str> {
    const EXPONENT: &[u8] = &[2, 3, 1, 0, 1];
    let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    let der = STANDARD.decode(text).map_err(|_| "not in standard Base64 format")?;
    let pair = RsaKeyPair::from_der(&der).map_err(|error| match error.to_string().as_str() {
        "TooSmall" => "must be at least RSA 2048",
        "TooLarge" => "must be at most RSA 8192",
        _ => "not in PKCS#1 format",
    })?;
    // The public key is the sequence of modulus and exponent.
    if !pair.public_key().as_ref().ends_with(EXPONENT) {
        return Err("should use the 65537 (0x10001) RSA public exponent");
    }
    Ok(pair)
}

fn sign(pair: &RsaKeyPair, message: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut signature = vec![0; pair.public_modulus_len()];
    let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
    signed.map(|()| signature).map_err(|_| "cannot sign")
}

/// The host of a URL as it is written, without its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => {
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
        }
        _ => place,
    }
}

/// A certificate that signs itself, always the same for one key and host.
fn certificate(pair: &RsaKeyPair, host: &str, decrypts: bool) -> Result<Vec<u8>, &'static str> {
    const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
    const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
    let algorithm = sequence(&[&tlv(OID, &[RSA_SHA256]), &tlv(NULL, &[])]);
    let name = format!("SAML 2.0 Certificate for {host}");
    let kind = if name.bytes().all(is_printable) { PRINTABLE } else { UTF8 };
    let name = sequence(&[&tlv(OID, &[COMMON_NAME]), &tlv(kind, &[name.as_bytes()])]);
    let name = sequence(&[&tlv(SET, &[&name])]);
    let validity = sequence(&[&tlv(UTC_TIME, &[b"700101000000Z"]), &tlv(TIME, &[b"21700101000000Z"])]);
    let public = pair.public_key().as_der().map_err(|_| "has no public key")?;
    // Digital signature is the first bit, encipherment of data the fourth.
    let usage = if decrypts { [4, 0x90] } else { [7, 0x80] };
    let usage = sequence(&[
        &tlv(OID, &[KEY_USAGE]),
        &tlv(BOOLEAN, &[&[0xff]]),
        &tlv(OCTETS, &[&tlv(BITS, &[&usage])]),
    ]);
    let names = sequence(&[&tlv(DNS_NAME, &[b"_samlsp.", host.as_bytes()])]);
    let names = sequence(&[&tlv(OID, &[ALTERNATIVE_NAME]), &tlv(OCTETS, &[&names])]);
    let extensions = tlv(EXTENSIONS, &[&sequence(&[&usage, &names])]);
    let version = tlv(VERSION, &[&tlv(INTEGER, &[&[2]])]);
    let serial = tlv(INTEGER, &[&[0]]);
    let signed =
        sequence(&[&version, &serial, &algorithm, &name, &validity, &name, public.as_ref(), &extensions]);
    let signature = sign(pair, &signed)?;
    Ok(sequence(&[&signed, &algorithm, &tlv(BITS, &[&[0], &signature])]))
}

// Tags of DER.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const UTC_TIME: u8 = 0x17;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

/// Tag, length, value.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    if length >= 0x80 {
        out.push(0x80 | significant.len() as u8);
    }
    match significant.as_slice() {
        [] => out.push(0),
        significant => out.extend_from_slice(significant),
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Characters of a PrintableString.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sha2::Digest;

    use super::*;

    /// The last block of a PEM file, without its frame.
    fn key() -> String {
        let pem = include_str!("../../tests/it/saml/ours.pem");
        let inside = pem.split_once("-----\n").unwrap().1;
        inside.split_once("-----END").unwrap().0.replace('\n', "")
    }

    #[test]
    fn hosts() {
        for (url, expected) in [
            ("https://projectref.supabase.co/auth/v1", "projectref.supabase.co"),
            ("http://localhost:8000", "localhost"),
            ("https://Example.com:443/", "Example.com"),
            ("https://user:pass@x.test:1/", "x.test"),
            ("http://[::1]:8000/", "::1"),
            ("http://[::1]/", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_key_says_why() {
        let weak = "MIIBOwIBAAJBAL0=";
        for (text, reason) in [
            ("", "not in PKCS#1 format"),
            ("%", "not in standard Base64 format"),
            ("AAAA", "not in PKCS#1 format"),
            (weak, "not in PKCS#1 format"),
        ] {
            assert_eq!(Key::check(text), Err(reason), "{text}");
        }
        assert_eq!(Key::check(&key()), Ok(()));
        let lines: String = key()
            .as_bytes()
            .chunks(64)
            .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
            .collect();
        assert_eq!(Key::check(&lines), Ok(()));
    }

    #[test]
    fn the_certificate_is_that_of_the_host() {
        let der = |url: &str, decrypts| Key::read(&key(), url, decrypts).unwrap().certificate;
        let plain = der("https://x.test/auth/v1", false);
        // As Go's crypto/x509 makes them from Supabase Auth's template.
        for (decrypts, digest) in [
            (false, "d460a62c811af3d71301b5d0a14a3a6ccccc6a51f56bf290304bc39129749588"),
            (true, "56565fd009aa1f53477a3e9180b2493dbca5926b5a2da57e877627ce8345f23c"),
        ] {
            let made = der("https://projectref.supabase.co/auth/v1", decrypts);
            assert_eq!(hex::encode(sha2::Sha256::digest(made)), digest);
        }
        assert_eq!(plain, der("https://x.test:443/", false));
        assert_ne!(plain, der("https://y.test/", false));
        assert_ne!(plain, der("https://x.test/", true));
        // An underscore is no character of a printable string.
        assert!(der("https://x_y.test", false).windows(2).any(|pair| pair == [UTF8, 33]));
    }
}
