//! The answer to a batch: one JSON document that holds the answers of its items.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Answer, Body};
use crate::config::Verbosity;
use crate::error::Error;
use crate::request::batch::MEDIA_TYPE;

/// The answer to one item.
#[derive(Debug)]
pub(crate) struct Part {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Serialize)]
struct Document<'a> {
    committed: bool,
    responses: Vec<Response<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status: u16,
    headers: BTreeMap<&'a str, String>,
    body: Option<Text<'a>>,
}

/// A body of JSON is part of the document, another a string in it.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Json(&'a RawValue),
    Other(Cow<'a, str>),
}

impl From<Answer> for Part {
    fn from(answer: Answer) -> Self {
        let body = match answer.body {
            Body::Bytes(bytes) => bytes,
            Body::Absent => Bytes::new(),
        };
        Self { status: answer.status, headers: answer.headers, body }
    }
}

impl Part {
    /// The answer to an item that failed.
    pub fn failed(error: &Error, verbosity: Verbosity, retry_after: u64) -> Self {
        let answer = error.answer(verbosity, retry_after);
        Self { status: answer.status(), headers: answer.headers().clone(), body: error.body(verbosity) }
    }

    /// Bytes of its body.
    pub fn len(&self) -> usize {
        self.body.len()
    }
}

/// The whole answer.
pub(crate) fn document(status: StatusCode, committed: bool, parts: &[Part]) -> HttpResponse {
    let document = Document { committed, responses: parts.iter().map(response).collect() };
    // Strings, and values that were found to be JSON, always serialise.
    let text = serde_json::to_vec(&document).unwrap_or_default();
    let mut answer = HttpResponse::with_body(status, text).map_into_boxed_body();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    answer
}

fn response(part: &Part) -> Response<'_> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &part.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    Response { status: part.status.as_u16(), headers, body: text(part) }
}

/// What is labelled JSON but is none, by a handler of the database, is a string as well. Bytes
/// that are no text are written as the database writes them.
fn text(part: &Part) -> Option<Text<'_>> {
    if part.body.is_empty() {
        return None;
    }
    let media_type = part.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    if (essence == "application/json" || essence.ends_with("+json"))
        && let Ok(json) = serde_json::from_slice(&part.body)
    {
        return Some(Text::Json(json));
    }
    Some(Text::Other(match std::str::from_utf8(&part.body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let hex = part.body.iter().map(|byte| format!("{byte:02x}"));
            Cow::Owned(std::iter::once("\\x".to_owned()).chain(hex).collect())
        }
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn part(media_type: &'static str, body: &'static [u8]) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Part { status: StatusCode::OK, headers, body: Bytes::from_static(body) }
    }

    #[test]
    fn bodies_by_their_type() {
        for (media_type, body, expected) in [
            ("application/json; charset=utf-8", &b"[1.00,{}]"[..], "[1.00,{}]"),
            ("application/vnd.pgrst.object+json", b"{\"a\":1}", "{\"a\":1}"),
            ("application/json", b"\"}, and more", "\"\\\"}, and more\""),
            ("text/csv; charset=utf-8", b"a\n1", "\"a\\n1\""),
            ("application/octet-stream", b"\xff\x00", "\"\\\\xff00\""),
            ("application/json", b"", "null"),
        ] {
            let part = part(media_type, body);
            assert_eq!(serde_json::to_string(&text(&part)).unwrap(), expected);
        }
    }

    #[test]
    fn repeated_headers_are_joined() {
        let mut part = part("text/plain", b"");
        part.headers.append(CONTENT_TYPE, HeaderValue::from_static("b"));
        assert_eq!(response(&part).headers["content-type"], "text/plain, b");
    }
}
