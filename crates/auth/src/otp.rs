//! One-time codes, and the hashes by which codes and links are recognised.

use chrono::{DateTime, Utc};
use kernel::units::Span;
use rand::RngExt;
use sha2::{Digest, Sha224};
use subtle::ConstantTimeEq;

/// Precedes the hash in links of sign-ins that end with a code exchange.
pub(crate) const PKCE_PREFIX: &str = "pkce_";

/// A code that is about to be sent, and what recognises it when it comes back.
pub(crate) struct Fresh {
    pub(crate) code: String,
    /// Recognises the code.
    pub(crate) hash: String,
    /// What a link carries. It does not follow from the code, as it does upstream: codes are few, and
    /// whoever knows the address could try the hashes of all of them where no guesses are counted.
    pub(crate) link: String,
}

impl Fresh {
    /// A code of so many digits for `identifier`; with `exchange` its link ends with a code exchange.
    pub(crate) fn new(identifier: &str, length: usize, exchange: bool) -> Self {
        Self::of(identifier, fresh(length), exchange)
    }

    /// The same of a code that was made already.
    pub(crate) fn of(identifier: &str, code: String, exchange: bool) -> Self {
        let prefix = if exchange { PKCE_PREFIX } else { "" };
        let link = hex::encode(rand::random::<[u8; 28]>());
        Self { hash: format!("{prefix}{}", hash(identifier, &code)), link: format!("{prefix}{link}"), code }
    }
}

/// A code that was sent: what recognises it, and when that was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Issued {
    /// Empty if none is pending.
    pub(crate) hash: String,
    pub(crate) sent_at: Option<DateTime<Utc>>,
}

/// So many digits, each as likely as the others.
pub(crate) fn fresh(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(b'0' + random.random_range(0..10_u8))).collect()
}

/// The hash of a code sent to `identifier`: an address in small letters or a number in digits.
pub(crate) fn hash(identifier: &str, code: &str) -> String {
    hex::encode(Sha224::new().chain_update(identifier).chain_update(code).finalize())
}

/// True if `hash` is the one stored, with or without the prefix, and not too old.
pub(crate) fn is_valid(
    hash: &str,
    stored: &str,
    sent_at: Option<DateTime<Utc>>,
    expiry: Span,
    now: DateTime<Utc>,
) -> bool {
    let stored = stored.strip_prefix(PKCE_PREFIX).unwrap_or(stored);
    let same: bool = stored.as_bytes().ct_eq(hash.as_bytes()).into();
    same && !stored.is_empty() && !is_expired(sent_at, expiry, now)
}

/// True if what was sent then is no longer good; what was never sent is not.
pub(crate) fn is_expired(sent_at: Option<DateTime<Utc>>, expiry: Span, now: DateTime<Utc>) -> bool {
    sent_at.is_none_or(|sent_at| now.signed_duration_since(sent_at).to_std().is_ok_and(|age| age > expiry.0))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        assert_eq!(
            hash("jane@example.com", "123456"),
            "09182592d78ce09da2160e099c868901ed75944e6db34de59bdf8a62"
        );
        assert_eq!(hash("15551234567", "004217"), "22d62017e3e2fe574f5593967d7068857fd0b001653532e97a5ef23b");
    }

    #[test]
    fn codes_are_digits_of_the_asked_length() {
        for length in [6, 10] {
            let code = fresh(length);
            assert_eq!(code.len(), length);
            assert!(code.bytes().all(|b| b.is_ascii_digit()));
        }
    }

    #[test]
    fn validity() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let ago = |seconds| Some(now - TimeDelta::seconds(seconds));
        let check = |hash: &str, stored: &str, sent_at, expected: bool| {
            assert_eq!(is_valid(hash, stored, sent_at, Span::secs(60), now), expected, "{hash} {stored}");
        };
        check("abc", "abc", ago(60), true);
        check("abc", "pkce_abc", ago(0), true);
        check("abc", "abc", ago(61), false);
        check("abc", "abc", None, false);
        check("abc", "abd", ago(0), false);
        check("", "", ago(0), false);
        check("", "pkce_", ago(0), false);
    }

    proptest! {
        /// Another address or another code is another hash.
        #[test]
        fn hashes_tell_codes_apart(email in "[a-z]{1,8}@[a-z]{1,8}.test", code in "[0-9]{6}", other in "[0-9]{6}") {
            let found = hash(&email, &code);
            prop_assert_eq!(found.len(), 56);
            prop_assert_eq!(found == hash(&email, &other), code == other);
            prop_assert_ne!(found, hash(&format!("x{email}"), &code));
        }
    }
}
