//! Headers and cookies: reading single ones, and all of them as JSON for SQL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::header::{AsHeaderName, COOKIE, HeaderMap};

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
    let fields = headers.iter().filter(|(name, _)| *name != COOKIE);
    object(fields.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))))
}

/// The cookies as a JSON object.
pub(super) fn cookies_json(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(COOKIE) else { return "{}".to_owned() };
    let value = String::from_utf8_lossy(value.as_bytes());
    let cookies = value.split(';').map(|cookie| cookie.trim_start_matches(' '));
    object(
        cookies
            .filter(|cookie| !cookie.is_empty())
            .map(|cookie| cookie.split_once('=').unwrap_or((cookie, "")))
            .map(|(name, value)| (name, Cow::Borrowed(value))),
    )
}

/// Texts by name; nothing of them is copied but into the JSON.
fn object<'a>(fields: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> String {
    let fields: BTreeMap<&str, Cow<'_, str>> = fields.collect();
    // An object of texts has a JSON form.
    serde_json::to_string(&fields).unwrap_or_default()
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
