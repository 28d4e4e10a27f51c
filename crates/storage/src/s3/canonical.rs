//! The canonical request: the one spelling of a request that both sides sign.
//!
//! S3's variant: a path is escaped once and its segments are left as they are.

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// A request as it is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Canonical already.
    pub(crate) path: &'a str,
    /// Canonical already.
    pub(crate) query: &'a str,
    /// Names in lower case and sorted; values canonical.
    pub(crate) headers: &'a [(String, String)],
    /// What the client says of the body.
    pub(crate) payload: &'a str,
}

impl Request<'_> {
    /// The hex digest that goes into the string to sign.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.method, "\n", self.path, "\n", self.query, "\n"] {
            hash.update(part);
        }
        for (name, value) in self.headers {
            for part in [name, ":", value, "\n"] {
                hash.update(part);
            }
        }
        hash.update("\n");
        for (n, (name, _)) in self.headers.iter().enumerate() {
            hash.update(if n > 0 { ";" } else { "" });
            hash.update(name);
        }
        hash.update("\n");
        hash.update(self.payload);
        hex::encode(hash.finalize())
    }
}

/// Escapes all but unreserved characters, and slashes if they are to stay.
pub(crate) fn escaped(bytes: &[u8], keeps_slashes: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte))
            }
            b'/' if keeps_slashes => text.push('/'),
            _ => {
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    text
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A path, however it was escaped.
pub(crate) fn path(raw: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(raw).collect();
    escaped(&bytes, true)
}

/// A query, sorted, without the signature itself. A plus is a space, as S3 reads it.
pub(crate) fn query(raw: &str) -> String {
    let canonical = |text: &str| {
        let spaced = text.replace('+', " ");
        let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
        escaped(&bytes, false)
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (canonical(name), canonical(value))).collect();
    pairs.retain(|(name, _)| name != "X-Amz-Signature");
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The value of a header that came once or several times.
pub(crate) fn header<'a>(values: impl Iterator<Item = &'a [u8]>) -> String {
    let one = |value: &[u8]| {
        let text = String::from_utf8_lossy(value);
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    values.map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        let check = |raw: &str, expected: &str| assert_eq!(path(raw), expected, "{raw}");
        check("/", "/");
        check("/b/a b", "/b/a%20b");
        check("/b/a%20b", "/b/a%20b");
        check("/b/a+b", "/b/a%2Bb");
        check("/b/%2f", "/b//");
        check("/b//x/../y", "/b//x/../y");
        check("/b/%e4%bd", "/b/%E4%BD");
        check("/b/100%", "/b/100%25");
        check("/b/~_-.!", "/b/~_-.%21");
    }

    #[test]
    fn queries_are_sorted_by_their_escaped_names() {
        let check = |raw: &str, expected: &str| assert_eq!(query(raw), expected, "{raw}");
        check("", "");
        check("uploads", "uploads=");
        check("b=2&a=1&a=0", "a=0&a=1&b=2");
        check("prefix=a+b%2Fc&delimiter=/", "delimiter=%2F&prefix=a%20b%2Fc");
        check("X-Amz-Signature=00&X-Amz-Date=1", "X-Amz-Date=1");
        check("a==", "a=%3D");
    }

    #[test]
    fn headers_lose_their_spare_spaces() {
        let check = |values: &[&str], expected: &str| {
            assert_eq!(header(values.iter().map(|value| value.as_bytes())), expected);
        };
        check(&["  a   b "], "a b");
        check(&["a", " b"], "a,b");
        check(&[""], "");
    }

    proptest! {
        #[test]
        fn a_canonical_spelling_is_its_own(raw in "[ -~]{0,40}") {
            let once = path(&raw);
            prop_assert_eq!(path(&once), once);
            let once = query(&raw.replace('%', ""));
            prop_assert_eq!(query(&once), once);
        }

        #[test]
        fn escapes_stand_for_what_they_escaped(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = escaped(&bytes, true);
            prop_assert_eq!(percent_decode_str(&text).collect::<Vec<u8>>(), bytes);
        }
    }
}
