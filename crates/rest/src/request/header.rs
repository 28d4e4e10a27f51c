//! Headers and cookies: reading single ones, and all of them as JSON for SQL.

use actix_web::http::header::{AsHeaderName, COOKIE, HeaderMap};
use serde_json::{Map, Value};

/// The first header called `name`, if it is text.
pub(super) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

/// All headers called `name` that are text.
pub(super) fn texts<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
}

/// All headers but `Cookie` as a JSON object. Of several with one name the last counts.
pub(super) fn headers_json(headers: &HeaderMap) -> String {
    let fields: Map<_, _> = headers
        .iter()
        .filter(|(name, _)| *name != COOKIE)
        .map(|(name, value)| (name.as_str().to_owned(), lossy(value.as_bytes())))
        .collect();
    Value::Object(fields).to_string()
}

/// The cookies as a JSON object.
pub(super) fn cookies_json(headers: &HeaderMap) -> String {
    let value = headers.get(COOKIE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let fields: Map<_, _> = value
        .as_deref()
        .unwrap_or_default()
        .split(';')
        .map(|cookie| cookie.trim_start_matches(' '))
        .filter(|cookie| !cookie.is_empty())
        .map(|cookie| cookie.split_once('=').unwrap_or((cookie, "")))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    Value::Object(fields).to_string()
}

fn lossy(value: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn headers_without_cookies() {
        let all = headers(&[("x-a", "1"), ("cookie", "s=1"), ("x-b", "\"q\""), ("x-a", "2")]);
        assert_eq!(headers_json(&all), r#"{"x-a":"2","x-b":"\"q\""}"#);
    }

    #[test]
    fn cookies() {
        let one = headers(&[("cookie", "acookie=cookievalue; b=x=y;  c")]);
        assert_eq!(cookies_json(&one), r#"{"acookie":"cookievalue","b":"x=y","c":""}"#);
        assert_eq!(cookies_json(&HeaderMap::new()), "{}");
    }
}
