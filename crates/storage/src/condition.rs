//! Which part of an object a request wants, and whether it has it already.

use std::time::SystemTime;

use actix_web::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use object::Extent;

use crate::error::Error;

/// What is sent of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: the client has it.
    Unchanged,
    /// All of it.
    Whole,
    /// The bytes from the first to the last, both included.
    Part { first: u64, last: u64 },
}

/// An object as conditions see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// With its quotes.
    pub(crate) etag: &'a str,
    pub(crate) modified: SystemTime,
    pub(crate) size: u64,
}

/// What the request's conditions and its range come to.
///
/// # Errors
///
/// [`Error::InvalidRange`].
pub(crate) fn wanted(headers: &HeaderMap, facts: Facts<'_>) -> Result<Wanted, Error> {
    if is_unchanged(headers, facts) {
        return Ok(Wanted::Unchanged);
    }
    let Some(range) = text(headers, RANGE) else { return Ok(Wanted::Whole) };
    if text(headers, IF_RANGE).is_some_and(|validator| !still(validator, facts)) {
        return Ok(Wanted::Whole);
    }
    let (first, last) = range_of(range, facts.size).ok_or(Error::InvalidRange)?;
    Ok(Wanted::Part { first, last })
}

/// What a request asks for, as far as one can tell without the object.
pub(crate) fn extent(headers: &HeaderMap) -> Extent {
    if text(headers, IF_NONE_MATCH).or_else(|| text(headers, IF_MODIFIED_SINCE)).is_some() {
        // Who knows it already mostly knows it still.
        return Extent::Nothing;
    }
    let bounds = text(headers, RANGE).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = bounds else { return Extent::Whole };
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Extent::Part(first, last),
        (Ok(first), Err(_)) if last.is_empty() => Extent::From(first),
        (Err(_), Ok(length)) if first.is_empty() && length > 0 => Extent::Last(length),
        _ => Extent::Whole,
    }
}

/// Whether the client has the object already.
pub(crate) fn is_unchanged(headers: &HeaderMap, facts: Facts<'_>) -> bool {
    match text(headers, IF_NONE_MATCH) {
        Some(list) => matches_any(list, facts.etag),
        None => text(headers, IF_MODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|date| seconds(facts.modified) <= seconds(date)),
    }
}

/// Whether the conditions under which anything is to be sent at all hold (`If-Match`,
/// `If-Unmodified-Since`).
pub(crate) fn holds(headers: &HeaderMap, facts: Facts<'_>) -> bool {
    match text(headers, IF_MATCH) {
        Some(list) => matches_any(list, facts.etag),
        None => older(text(headers, IF_UNMODIFIED_SINCE), facts),
    }
}

/// Whether the conditions on the source of a copy hold: S3's headers for it.
pub(crate) fn holds_for_copy(headers: &HeaderMap, facts: Facts<'_>) -> bool {
    let get = |name: &'static str| text(headers, HeaderName::from_static(name));
    let matches = match get("x-amz-copy-source-if-match") {
        Some(list) => matches_any(list, facts.etag),
        None => older(get("x-amz-copy-source-if-unmodified-since"), facts),
    };
    let differs = match get("x-amz-copy-source-if-none-match") {
        Some(list) => !matches_any(list, facts.etag),
        None => get("x-amz-copy-source-if-modified-since")
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_none_or(|date| seconds(facts.modified) > seconds(date)),
    };
    matches && differs
}

fn older(date: Option<&str>, facts: Facts<'_>) -> bool {
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    date.is_none_or(|date| seconds(facts.modified) <= seconds(date))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

/// Headers count whole seconds.
fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whether a list of tags names this one; weak tags compare as strong ones here (RFC 9110, 13.1.2).
fn matches_any(list: &str, etag: &str) -> bool {
    list.trim() == "*"
        || list.split(',').any(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            // Some clients of S3 leave the quotes out.
            tag == etag || (!tag.is_empty() && tag == etag.trim_matches('"'))
        })
}

/// Whether the object is the one that the validator of `If-Range` means.
fn still(validator: &str, facts: Facts<'_>) -> bool {
    match httpdate::parse_http_date(validator) {
        Ok(date) => seconds(date) == seconds(facts.modified),
        Err(_) => validator.trim() == facts.etag,
    }
}

/// First and last byte of a single range.
fn range_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<u64>().ok(),
        false => None,
    };
    let end = size.checked_sub(1)?;
    match (first, last) {
        ("", "") => None,
        ("", suffix) => {
            let length = number(suffix).filter(|length| *length > 0)?;
            Some((size.saturating_sub(length), end))
        }
        (first, "") => number(first).filter(|first| *first <= end).map(|first| (first, end)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last && first <= end).then_some((first, last.min(end)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use actix_web::http::header::HeaderValue;

    use super::*;

    const ETAG: &str = "\"abc\"";

    fn ask(headers: &[(&str, &str)], size: u64) -> Option<Wanted> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        // Wed, 21 Oct 2026 07:28:00 GMT and a bit.
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_792_567_680_500);
        wanted(&map, Facts { etag: ETAG, modified, size }).ok()
    }

    #[test]
    fn ranges() {
        let check = |range: &str, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(first, last)| Wanted::Part { first, last });
            assert_eq!(ask(&[("range", range)], 100), expected, "{range}");
        };
        check("bytes=0-9", Some((0, 9)));
        check("bytes=5-5", Some((5, 5)));
        check("bytes=90-", Some((90, 99)));
        check("bytes=90-1000", Some((90, 99)));
        check("bytes=-10", Some((90, 99)));
        check("bytes=-1000", Some((0, 99)));
        for bad in [
            "bytes=100-",
            "bytes=9-5",
            "bytes=-0",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
            "bytes=0-99999999999999999999999",
            "bytes 0-1",
        ] {
            check(bad, None);
        }
        assert_eq!(ask(&[("range", "bytes=0-0")], 0), None);
    }

    #[test]
    fn what_a_range_asks_for_is_known_before_the_object() {
        let check = |range: &str, expected: Extent| {
            let mut map = HeaderMap::new();
            map.insert(RANGE, HeaderValue::from_str(range).unwrap());
            assert_eq!(extent(&map), expected, "{range}");
        };
        check("bytes=5-9", Extent::Part(5, 9));
        check("bytes=5-", Extent::From(5));
        check("bytes=-5", Extent::Last(5));
        for other in ["bytes=9-5", "bytes=-0", "bytes=-", "bytes=0-1,3-4", "items=0-1"] {
            check(other, Extent::Whole);
        }
        assert_eq!(extent(&HeaderMap::new()), Extent::Whole);
        let mut map = HeaderMap::new();
        map.insert(IF_NONE_MATCH, HeaderValue::from_static(ETAG));
        assert_eq!(extent(&map), Extent::Nothing);
    }

    #[test]
    fn what_the_client_has_is_not_sent() {
        let check = |headers: &[(&str, &str)], expected: Wanted| {
            assert_eq!(ask(headers, 100), Some(expected), "{headers:?}");
        };
        check(&[], Wanted::Whole);
        check(&[("if-none-match", "\"abc\"")], Wanted::Unchanged);
        check(&[("if-none-match", "\"x\", W/\"abc\"")], Wanted::Unchanged);
        check(&[("if-none-match", "*")], Wanted::Unchanged);
        check(&[("if-none-match", "\"x\"")], Wanted::Whole);
        check(&[("if-modified-since", "Wed, 21 Oct 2026 07:28:00 GMT")], Wanted::Unchanged);
        check(&[("if-modified-since", "Wed, 21 Oct 2026 07:27:59 GMT")], Wanted::Whole);
        check(&[("if-modified-since", "yesterday")], Wanted::Whole);
        // The tag has precedence.
        check(
            &[("if-none-match", "\"x\""), ("if-modified-since", "Wed, 21 Oct 2099 07:28:00 GMT")],
            Wanted::Whole,
        );
        let part = Wanted::Part { first: 0, last: 9 };
        check(&[("range", "bytes=0-9"), ("if-range", "\"abc\"")], part);
        check(&[("range", "bytes=0-9"), ("if-range", "\"old\"")], Wanted::Whole);
        check(&[("range", "bytes=0-9"), ("if-range", "Wed, 21 Oct 2026 07:28:00 GMT")], part);
        check(&[("range", "bytes=0-9"), ("if-range", "Wed, 21 Oct 2026 07:28:01 GMT")], Wanted::Whole);
    }
}
