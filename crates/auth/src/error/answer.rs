//! How an error is sent: its body in both versions of the API, and its headers.

use std::borrow::Cow;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use kernel::ApiError;
use serde_json::{Value, json};

use super::{Error, OAuthServer};

/// Names the error code, whatever the shape of the body.
const CODE_HEADER: HeaderName = HeaderName::from_static("x-sb-error-code");

impl Error {
    /// Seconds after which it makes sense to ask again.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests(seconds)
            | Self::TooManyRefreshes(seconds)
            | Self::TooSoonForEmail(seconds)
            | Self::TooSoonForSms(seconds) => Some((*seconds).max(1)),
            Self::RefreshContention | Self::HookOfRefresh(_) => Some(1),
            _ => None,
        }
    }

    /// Name and description of what the standard of OAuth has words for: its body is the same in both
    /// versions, and has no code of ours.
    pub(crate) fn standard(&self) -> Option<(&str, Cow<'_, str>)> {
        match self {
            Self::OAuth { error, description } => Some((*error, Cow::Borrowed(*description))),
            Self::OAuthServer(OAuthServer::Token { error, description }) => {
                Some((*error, Cow::Borrowed(description.as_ref())))
            }
            Self::External(refusal) => refusal.standard().map(|(error, text)| (error, Cow::Owned(text))),
            Self::Web3(refusal) => refusal.standard().map(|(error, text)| (error, Cow::Owned(text))),
            _ => None,
        }
    }

    /// What a hook's function raised for the caller: status and body of the API's first version, whose
    /// clients get it as it is.
    fn raised(&self) -> Option<(u16, Value)> {
        match self {
            Self::Hook(failure) => failure.raised(),
            _ => None,
        }
    }

    /// The status, for clients of the API's first version or of the newer one.
    pub(crate) fn status_for(&self, newer: bool) -> StatusCode {
        let raised = self.raised().filter(|_| !newer).map(|(status, _)| status);
        let status = raised.unwrap_or_else(|| ApiError::status(self));
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body, for clients of the API's first version or of the newer one.
    pub(crate) fn body(&self, newer: bool, error_id: Option<String>) -> Value {
        if let Some((error, description)) = self.standard() {
            return json!({ "error": error, "error_description": description });
        }
        if let (false, Some((_, body))) = (newer, self.raised()) {
            return body;
        }
        let text = self.public();
        let mut body = if newer {
            json!({ "code": self.code(), "message": text })
        } else {
            json!({ "code": ApiError::status(self), "error_code": self.code(), "msg": text })
        };
        if let (false, true, Some(id)) = (newer, ApiError::status(self) >= 500, error_id) {
            body["error_id"] = Value::from(id);
        }
        if let Self::WeakPassword(weakness) = self {
            body["weak_password"] = json!({ "reasons": weakness.reasons });
        }
        body
    }
}

impl ApiError for Error {
    fn status(&self) -> u16 {
        self.place().0
    }

    fn code(&self) -> &str {
        match self.standard() {
            Some((error, _)) => error,
            None => self.place().1.text(),
        }
    }

    fn public(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status_for(false)
    }

    /// The answer in the API's first version; `http` re-renders it where the client asked for more.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if self.standard().is_none() {
            response.insert_header((CODE_HEADER, HeaderValue::from_static(self.place().1.text())));
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        response.json(self.body(false, None))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Weakness;
    use super::*;

    #[test]
    fn both_shapes() {
        assert_eq!(
            Error::InvalidCredentials.body(false, Some("x".to_owned())),
            json!({"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"})
        );
        assert_eq!(
            Error::InvalidCredentials.body(true, None),
            json!({"code":"invalid_credentials","message":"Invalid login credentials"})
        );
    }

    #[test]
    fn a_weak_password_says_why_in_both() {
        let weak = Error::WeakPassword(Weakness { message: "m".to_owned(), reasons: vec!["length"] });
        for newer in [false, true] {
            assert_eq!(weak.body(newer, None)["weak_password"], json!({ "reasons": ["length"] }));
        }
    }

    #[test]
    fn causes_stay_inside() {
        let error = Error::internal("Database error saving new user", "relation auth.users does not exist");
        assert_eq!(
            error.body(false, Some("id".to_owned())),
            json!({"code":500,"error_code":"unexpected_failure","error_id":"id","msg":"Database error saving new user"})
        );
    }

    #[test]
    fn oauth_errors_have_the_standard_s_body() {
        let error = Error::OAuth { error: "invalid_request", description: "refresh_token required" };
        assert_eq!(
            error.body(true, None),
            json!({"error":"invalid_request","error_description":"refresh_token required"})
        );
    }

    #[test]
    fn a_refresh_that_may_be_repeated_is_never_4xx() {
        assert_eq!(ApiError::status(&Error::RefreshContention), 503);
        assert_eq!(ApiError::status(&Error::TooManyRefreshes(3)), 503);
        assert_eq!(
            Error::TooManyRefreshes(3).error_response().headers().get("retry-after").map(|v| v.as_bytes()),
            Some(b"3".as_slice())
        );
    }
}
