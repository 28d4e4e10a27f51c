//! What the fuzzers do with the parsers of a request. In each input the first byte chooses.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::batch::Batch;
use super::cursor::{Cursor, Parsed};
use super::filter::{expression, inner_value, whole_value};
use super::keyset::Keyset;
use super::query::{self, Use};
use super::{ApiRequest, Incoming, MediaType, Payload, Range, logic, name, order, select};
use crate::config::{Config, OpenApiMode};

/// One rule of the grammar; what fails must have an explanation.
pub fn clause(data: &[u8]) {
    fn run<T>(text: &str, rule: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>) {
        let mut cursor = Cursor::new(text);
        if let Err(failure) = rule(&mut cursor) {
            assert!(!cursor.explain("it", failure).details.is_empty());
        }
    }
    let Some((rule, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match rule % 8 {
        0 => run(text, select::forest),
        1 => run(text, order::terms),
        2 => run(text, logic::tree),
        3 => run(text, logic::path),
        4 => run(text, name::names),
        5 => run(text, name::tree_path),
        6 => run(text, |cursor| expression(cursor, whole_value)),
        _ => run(text, |cursor| expression(cursor, inner_value)),
    }
}

/// A query string, and the link that leads on from it.
pub fn query(data: &[u8]) {
    let Some((used_for, text)) = data.split_first() else { return };
    let used_for = [Use::Read, Use::Call, Use::Other][usize::from(used_for % 3)];
    let Ok((query, rows)) = query::parse(text, used_for) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(keyset) = Keyset::parse(text, query.cursor.as_deref()) else { return };
    if let Some(Ok(link)) = keyset.after.as_ref().map(|position| keyset.next(position, rows)) {
        assert!(HeaderValue::from_str(&link).is_ok(), "{link:?} is no header");
    }
}

/// A method, a path and headers, each on a line of its own.
pub fn header(data: &[u8]) {
    let Some((settings, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = Config {
        openapi_mode: if settings & 1 == 0 { OpenApiMode::FollowPrivileges } else { OpenApiMode::Disabled },
        root_spec: (settings & 2 != 0).then(|| "test.root".to_owned()),
        schemas: vec!["test".to_owned(), "other".to_owned()],
        ..Config::default()
    };
    let mut lines = text.split('\n');
    let (method, path) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    let incoming = Incoming { method, path, query: "", headers: &headers, body: Bytes::new() };
    let Ok(request) = ApiRequest::parse(incoming, &config) else { return };
    assert!(!request.accept.is_empty());
    for accepted in &request.accept {
        let _ = (accepted.mime(), accepted.content_type());
    }
    let _ = request.preferences.applied();
    let mut preferences = request.preferences;
    preferences.disown_timezone();
    let _ = request.range.limit();
}

/// A body, a batch or the inside of a cursor.
pub fn body(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let is_call = kind & 8 != 0;
    let content_type = match kind % 8 {
        0 | 1 => MediaType::Json,
        2 => MediaType::Csv,
        3 => MediaType::UrlEncoded,
        4 => MediaType::TextPlain,
        5 => MediaType::OctetStream,
        6 => return batch(data),
        _ => return cursor(data),
    };
    let payload = Payload::parse(Bytes::copy_from_slice(data), &content_type, false, is_call);
    let Ok(payload) = payload else { return };
    let _ = payload.keys();
    let Payload::Json { raw, keys } = payload else { return };
    assert!(serde_json::from_slice::<IgnoredAny>(&raw).is_ok(), "the database would refuse {raw:?}");
    let rows = match serde_json::from_slice(&raw) {
        Ok(Value::Array(rows)) => rows,
        Ok(row) => vec![row],
        // Too deep or too large a number for a value, but not for the database.
        Err(_) => return,
    };
    for row in rows {
        let names = row.as_object().map(|row| row.keys().cloned().collect());
        assert_eq!(names, Some(keys.clone()));
    }
}

fn batch(data: &[u8]) {
    let Ok(batch) = Batch::parse(data) else { return };
    let config = Config { schemas: vec!["test".to_owned()], ..Config::default() };
    for item in &batch.items {
        let _ = item.parse(&HeaderMap::new(), &config);
    }
}

/// What is read can be written, and is then read as the same.
fn cursor(data: &[u8]) {
    let read = |text: &str| Keyset::parse("", Some(text)).ok()?.after;
    let Some(position) = read(&URL_SAFE_NO_PAD.encode(data)) else { return };
    let Some(keyset) = Keyset::parse("", None).ok() else { return };
    let Ok(link) = keyset.next(&position, Range::ALL) else { return };
    let again = link.strip_prefix("<?cursor=keyset.").and_then(|link| link.split_once('>'));
    assert_eq!(again.and_then(|(text, _)| read(text)), Some(position));
}
