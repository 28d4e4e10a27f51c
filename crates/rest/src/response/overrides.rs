//! `response.headers` and `response.status`: what SQL says about its own answer.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use serde_json::{Map, Value};

use super::Answer;
use crate::error::Error;
use crate::exec::Rows;

/// Replaces status and headers by those that SQL set.
pub(super) fn apply(answer: &mut Answer, rows: &Rows) -> Result<(), Error> {
    if let Some(text) = &rows.status {
        answer.status = status(text).ok_or(Error::GucStatus)?;
    }
    if let Some(text) = &rows.headers {
        let own = headers(text).ok_or(Error::GucHeaders)?;
        for name in own.keys() {
            answer.headers.remove(name);
        }
        for (name, value) in own {
            answer.headers.append(name, value);
        }
    }
    Ok(())
}

/// The number that the text begins with.
fn status(text: &str) -> Option<StatusCode> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    StatusCode::from_u16(text.get(..end)?.parse().ok()?).ok()
}

/// `[{"name": "value"}, …]`. Values that would begin another header are refused; headers that
/// frame the message are the server's and left out.
fn headers(text: &str) -> Option<HeaderMap> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    let mut headers = HeaderMap::new();
    for object in list {
        let mut fields = object.into_iter();
        let (Some((name, Value::String(value))), None) = (fields.next(), fields.next()) else {
            return None;
        };
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE].contains(&name) {
            headers.append(name, value);
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE};

    #[test]
    fn headers_replace_ours_and_may_repeat() {
        let mut answer = Answer::new(StatusCode::OK);
        answer.set(CACHE_CONTROL, "no-store");
        let rows = Rows {
            headers: Some(
                r#"[{"cache-control":"public"},{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"},{"Content-Length":"1"}]"#
                    .to_owned(),
            ),
            status: Some("418 I'm a teapot".to_owned()),
            ..Rows::default()
        };
        apply(&mut answer, &rows).unwrap();
        assert_eq!(answer.status.as_u16(), 418);
        assert_eq!(answer.headers.get(CACHE_CONTROL).unwrap(), "public");
        assert_eq!(answer.headers.get_all(SET_COOKIE).count(), 2);
        assert!(!answer.headers.contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn what_is_no_list_of_headers_is_refused() {
        for text in [
            "{}",
            "nonsense",
            r#"[{"a":"1","b":"2"}]"#,
            r#"[{"a":1}]"#,
            "[{}]",
            r#"[{"a b":"1"}]"#,
            "[{\"a\":\"1\\r\\nset-cookie: evil=1\"}]",
        ] {
            assert!(headers(text).is_none(), "{text}");
        }
        assert!(status("").is_none() && status("abc").is_none() && status("99999").is_none());
    }
}
