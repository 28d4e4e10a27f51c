//! How much, and of what kind, a bucket takes.

use crate::error::Error;

/// The number of bytes that a text such as `20mb` means: decimal units, and the number rounded to
/// three digits first (upstream's `parseFileSizeToBytes`). `None` if it is no such text.
pub(crate) fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let shape = number.split('.').collect::<Vec<_>>();
    if shape.len() > 2 || shape.iter().any(|digits| digits.is_empty()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "gb" => 1e9,
        "mb" => 1e6,
        "kb" => 1e3,
        "b" => 1.0,
        _ => return None,
    };
    let rounded: f64 = format!("{number:.2e}").parse().ok()?;
    // Beyond 2^53 the limit says nothing any more.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((rounded * factor).round().clamp(0.0, 9_007_199_254_740_992.0) as u64)
}

/// The most bytes that an object may have: what the server allows, and the bucket's own limit.
pub(crate) fn effective(server: u64, bucket: Option<i64>) -> u64 {
    bucket.and_then(|limit| u64::try_from(limit).ok()).map_or(server, |limit| limit.min(server))
}

/// An entry of a bucket's list of media types.
///
/// # Errors
///
/// [`Error::InvalidMimeType`].
pub(crate) fn allowed_entry(entry: &str) -> Result<(), Error> {
    let refused = || Error::InvalidMimeType(entry.to_owned());
    if entry.len() > 1000 {
        return Err(refused());
    }
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte))
    };
    let (media, parameter) = match entry.split_once(';') {
        Some((media, parameter)) => (media, Some(parameter.trim_start())),
        None => (entry, None),
    };
    let charset = |text: &str| {
        let value = text.strip_prefix("charset=").unwrap_or_default();
        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let fits = media.split_once('/').is_some_and(|(kind, subkind)| name(kind) && name(subkind))
        && parameter.is_none_or(charset);
    if fits || entry.ends_with('*') { Ok(()) } else { Err(refused()) }
}

/// Whether a bucket with this list takes `media`. An empty list takes everything.
///
/// # Errors
///
/// [`Error::InvalidMimeType`].
pub(crate) fn media(media: &str, allowed: &[String]) -> Result<(), Error> {
    let mut parts = media.split('/');
    let (kind, subkind) = (parts.next(), parts.next());
    // With its parameters, as upstream compares, or without.
    let bare = subkind.and_then(|subkind| subkind.split(';').next()).map(str::trim_end);
    let fits = |entry: &String| {
        let mut parts = entry.split('/');
        let (allowed_kind, allowed_subkind) = (parts.next(), parts.next());
        allowed_kind == kind
            && (allowed_subkind == Some("*") || allowed_subkind == subkind || allowed_subkind == bare)
    };
    match allowed.is_empty() || (subkind.is_some() && allowed.iter().any(fits)) {
        true => Ok(()),
        false => Err(Error::InvalidMimeType(media.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(size(text), bytes, "{text}");
        check("1.5MB", Some(1_500_000));
        check("20mb", Some(20_000_000));
        check("1234kb", Some(1_230_000));
        check("5b", Some(5));
        check("1Gb", Some(1_000_000_000));
        check("0kb", Some(0));
        for bad in ["", "mb", "5", "5 mb", "5tb", "1.2.3mb", "1.mb", ".5mb", "-1mb", "5mbx"] {
            check(bad, None);
        }
    }

    #[test]
    fn the_smaller_limit_counts() {
        assert_eq!(effective(50, None), 50);
        assert_eq!(effective(50, Some(10)), 10);
        assert_eq!(effective(50, Some(100)), 50);
        assert_eq!(effective(50, Some(0)), 0);
    }

    #[test]
    fn media_types() {
        let list = |entries: &[&str]| entries.iter().map(ToString::to_string).collect::<Vec<_>>();
        let check = |value: &str, allowed: &[&str], fits: bool| {
            assert_eq!(media(value, &list(allowed)).is_ok(), fits, "{value} {allowed:?}");
        };
        check("image/png", &[], true);
        check("image/png", &["image/*"], true);
        check("image/png", &["image/jpeg", "image/png"], true);
        check("image/png", &["image/jpeg"], false);
        check("IMAGE/png", &["image/png"], false);
        check("text/plain;charset=UTF-8", &["text/plain;charset=UTF-8"], true);
        check("text/plain;charset=UTF-8", &["text/plain"], true);
        check("text/plain", &["text/plain;charset=UTF-8"], false);
        check("text", &["text/*"], false);
        for (entry, fits) in [
            ("image/png", true),
            ("image/svg+xml", true),
            ("image/*", true),
            ("text/plain; charset=utf-8", true),
            ("text/plain; x=1", false),
            ("image", false),
            ("image/", false),
            ("a b/c", false),
        ] {
            assert_eq!(allowed_entry(entry).is_ok(), fits, "{entry}");
        }
    }
}
