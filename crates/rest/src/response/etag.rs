//! `ETag` for those who ask, an extension of ours.
//!
//! A client that sends `If-None-Match` with a read gets a tag with its rows, and no body if it has
//! them already. Others get what they always got. The statement runs all the same: what is saved
//! is the way to the client. The tag is weak: it stands for the same rows in the same form, as far
//! as 64 bits of a hash can tell. Where SQL sets a tag of its own, everything is left to it.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};

use super::{Answer, Body, CONTENT_PROFILE};
use crate::plan::Plan;

/// Tags the rows of a read, and leaves out what the client has.
pub(crate) fn apply(answer: &mut Answer, plan: &Plan<'_>, request: &HeaderMap) {
    let is_read = matches!(plan, Plan::Read(read) if !read.headers_only);
    let is_rows = matches!(answer.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    if !is_read || !is_rows || !request.contains_key(IF_NONE_MATCH) || answer.headers.contains_key(ETAG) {
        return;
    }
    let Body::Bytes(body) = &answer.body else { return };
    let tag = tag(&answer.headers, body);
    answer.set(ETAG, &format!("W/{tag}"));
    let known = request.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    if known.into_iter().any(|known| matches(known, &tag)) {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.headers.remove(CONTENT_TYPE);
        answer.body = Body::Absent;
    }
}

/// The opaque part of the tag, in its quotes.
fn tag(headers: &HeaderMap, body: &[u8]) -> String {
    // Its keys are fixed: every process of one build gives the same tag.
    let mut hasher = DefaultHasher::new();
    for name in [CONTENT_TYPE, CONTENT_RANGE, CONTENT_PROFILE] {
        headers.get(name).map(|value| value.as_bytes()).hash(&mut hasher);
    }
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// The weak comparison of RFC 9110: one of the list, or `*`. No tag of ours holds a comma.
fn matches(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn lists_are_compared_weakly() {
        let tag = "\"0123\"";
        for list in ["\"0123\"", "W/\"0123\"", "\"a\", W/\"0123\" ,\"b\"", "*"] {
            assert!(matches(list, tag), "{list}");
        }
        for list in ["", "0123", "\"0123", "W/", "\"012\"", "w/\"0123\"", "\"a,0123\""] {
            assert!(!matches(list, tag), "{list}");
        }
    }

    #[test]
    fn form_and_place_count_as_well() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let first = tag(&headers, b"[]");
        assert_eq!(first, tag(&headers, b"[]"));
        assert_ne!(first, tag(&headers, b"[1]"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        let second = tag(&headers, b"[]");
        headers.insert(CONTENT_RANGE, HeaderValue::from_static("*/0"));
        assert!(first != second && second != tag(&headers, b"[]"));
    }
}
