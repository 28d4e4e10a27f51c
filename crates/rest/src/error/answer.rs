//! An error over HTTP: status, headers and the one wire body of this API.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, body::BoxBody};
use bytes::Bytes;
use kernel::TokenError;
use serde::Serialize;
use serde_json::Value;

use super::Error;
use crate::config::Verbosity;

/// The body, verbose. The order of the keys is upstream's.
#[derive(Serialize)]
struct Verbose<'a> {
    code: &'a str,
    details: Option<Value>,
    hint: Option<String>,
    message: &'a str,
}

/// The body, minimal.
#[derive(Serialize)]
struct Minimal<'a> {
    code: &'a str,
    message: &'a str,
}

impl Error {
    /// The body.
    pub fn body(&self, verbosity: Verbosity) -> Bytes {
        let (code, message) = (&*self.code(), &*self.message());
        let text = match verbosity {
            Verbosity::Verbose => {
                serde_json::to_vec(&Verbose { code, details: self.details(), hint: self.hint(), message })
            }
            Verbosity::Minimal => serde_json::to_vec(&Minimal { code, message }),
        };
        // Strings and values that came from JSON always serialise.
        text.unwrap_or_default().into()
    }

    /// The answer. `retry_after` is in seconds and goes with every 503.
    pub fn answer(&self, verbosity: Verbosity, retry_after: u64) -> HttpResponse {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = HttpResponse::with_body(status, BoxBody::new(self.body(verbosity)));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        if let Ok(value) = HeaderValue::from_str(&format!("PostgREST; error={}", self.code())) {
            headers.insert(HeaderName::from_static("proxy-status"), value);
        }
        if let Some(value) = self.challenge().and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        if let Self::Database(error) = self {
            for (name, value) in error.headers() {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
                {
                    headers.insert(name, value);
                }
            }
        }
        answer
    }

    /// The value of `WWW-Authenticate`, where one is due.
    fn challenge(&self) -> Option<String> {
        match self {
            Self::Token(TokenError::NoSecret) => None,
            Self::Token(TokenError::NoRole) => Some("Bearer".to_owned()),
            Self::Token(error) => {
                Some(format!("Bearer error=\"invalid_token\", error_description=\"{error}\""))
            }
            Self::Database(error) if error.status() == 401 => Some("Bearer".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_body_has_four_keys_in_order() {
        let error =
            Error::NoTable { schema: "api".into(), name: "film".into(), suggestion: Some("films".into()) };
        assert_eq!(
            error.body(Verbosity::Verbose),
            r#"{"code":"PGRST205","details":null,"hint":"Perhaps you meant the table 'api.films'","message":"Could not find the table 'api.film' in the schema cache"}"#
        );
        assert_eq!(
            error.body(Verbosity::Minimal),
            r#"{"code":"PGRST205","message":"Could not find the table 'api.film' in the schema cache"}"#
        );
    }

    #[test]
    fn refused_tokens_are_challenged() {
        let header = |error| {
            let answer = Error::Token(error).answer(Verbosity::Verbose, 1);
            answer.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(TokenError::NoRole).as_deref(), Some("Bearer"));
        assert_eq!(
            header(TokenError::Expired).as_deref(),
            Some("Bearer error=\"invalid_token\", error_description=\"JWT expired\"")
        );
        assert_eq!(header(TokenError::NoSecret), None);
    }

    #[test]
    fn unavailability_says_when_to_come_back() {
        let answer = Error::NoSchemaCache.answer(Verbosity::Verbose, 4);
        assert_eq!(answer.headers().get(RETRY_AFTER).unwrap(), "4");
        assert_eq!(answer.headers().get("proxy-status").unwrap(), "PostgREST; error=PGRST002");
    }
}
