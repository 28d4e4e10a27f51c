//! Codes of authenticator apps: SHA-1, thirty seconds, six digits, one step of drift either way.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcodegen::{QrCode, QrCodeEcc};
use totp_rs::{Builder, Secret, Totp};

/// Bytes of a secret.
const LENGTH: usize = 20;

/// A fresh secret, in base32 as apps want it.
pub(crate) fn secret() -> String {
    Secret::from(rand::random::<[u8; LENGTH]>()).to_base32()
}

fn app(secret: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    Some(Builder::new().with_secret(secret).build_noncompliant())
}

/// The step of time at which `code` is right, if it is now. A code is good once: the caller keeps
/// the step and refuses those that are not later.
pub(crate) fn step(secret: &str, code: &str, now: DateTime<Utc>) -> Option<i64> {
    let time = u64::try_from(now.timestamp()).ok()?;
    app(secret)?.check(code, time).and_then(|step| i64::try_from(step).ok())
}

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'@').remove(b':');

/// The address by which an app takes the secret up.
pub(crate) fn uri(issuer: &str, account: &str, secret: &str) -> String {
    let path = |text| utf8_percent_encode(text, ESCAPED_IN_PATH);
    let query = utf8_percent_encode(issuer, ESCAPED);
    format!(
        "otpauth://totp/{}:{}?algorithm=SHA1&digits=6&issuer={query}&period=30&secret={secret}",
        path(issuer),
        path(account),
    )
}

/// Pixels of a module.
const SIZE: i32 = 3;
/// Modules of the quiet zone around the code.
const QUIET: i32 = 4;

/// The picture that an app scans, as SVG; `None` if the address is too long for one. Clients put it
/// into a `data:` URL as it is, so that it must be without `#`.
pub(crate) fn picture(uri: &str) -> Option<String> {
    let code = QrCode::encode_text(uri, QrCodeEcc::High).ok()?;
    let modules = code.size() + 2 * QUIET;
    let pixels = modules * SIZE;
    let mut dark = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let _ = write!(dark, "M{},{}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    Some(format!(
        "<?xml version=\"1.0\"?>\n<svg width=\"{pixels}\" height=\"{pixels}\" viewBox=\"0 0 {modules} {modules}\" \
         shape-rendering=\"crispEdges\" xmlns=\"http://www.w3.org/2000/svg\">\
         <rect width=\"{modules}\" height=\"{modules}\" fill=\"white\"/><path d=\"{dark}\" fill=\"black\"/></svg>\n"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 6238's secret, `12345678901234567890`.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn vectors() {
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step(RFC, code, at(time)), Some(time / 30), "{code}");
        }
    }

    #[test]
    fn one_step_of_drift() {
        let code = "287082";
        assert_eq!(step(RFC, code, at(59 + 30)), Some(1));
        assert_eq!(step(RFC, code, at(29)), Some(1));
        assert_eq!(step(RFC, code, at(90)), None);
        for wrong in ["287083", "28708", "2870821", "", "२८७०८२", "abcdef"] {
            assert_eq!(step(RFC, wrong, at(59)), None, "{wrong}");
        }
        assert_eq!(step("not base32!", code, at(59)), None);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        assert_eq!(secret().len(), 32);
        assert_ne!(secret(), secret());
    }

    #[test]
    fn addresses() {
        assert_eq!(
            uri("localhost:3000", "jane+x@example.com", "ABC"),
            "otpauth://totp/localhost:3000:jane%2Bx@example.com?algorithm=SHA1&digits=6&issuer=localhost%3A3000&period=30&secret=ABC"
        );
        assert!(uri("A & B", "j", "S").contains("A%20%26%20B:j?"));
    }

    #[test]
    fn pictures() {
        let svg = picture(&uri("app", "jane@example.com", &secret())).unwrap();
        assert!(svg.contains("<svg ") && !svg.contains('#'));
        assert_eq!(picture(&"x".repeat(3000)), None);
    }
}
