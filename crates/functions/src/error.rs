//! Every answer that is ours and not a function's, in the words of Supabase's edge runtime.
//!
//! The body has `code`, `message` and `msg`. What goes wrong between us and a function says so in `x-relay-error`, which
//! functions-js turns into a FunctionsRelayError; an unknown function and a missing token do not.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

/// An answer that is not a function's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The path ends before a name.
    #[error("missing function name in request")]
    NoName,
    /// There is no such function.
    #[error("Function not found")]
    NotFound,
    /// Nobody runs functions here.
    #[error("Functions are not enabled on this server: set functions.path or functions.upstream")]
    NotEnabled,
    /// A token is asked for and none came.
    #[error("Missing authorization header")]
    NoToken,
    /// What came is no token.
    #[error("Invalid Token or Protected Header formatting")]
    NotAToken,
    /// A token signed with the secret is not good.
    #[error("Invalid JWT")]
    BadLegacyToken,
    /// A token signed with a key is not good.
    #[error("Invalid JWT")]
    BadToken,
    /// A token of an algorithm that nobody uses.
    #[error("Unsupported JWT algorithm")]
    Algorithm,
    /// The body is over the limit.
    #[error("Payload Too Large")]
    TooLarge,
    /// The function did not come up. The text is for the log.
    #[error("the function did not start: {0}")]
    Boot(String),
    /// It ended in the middle of its work.
    #[error("Function exited due to an error (please check logs)")]
    Crashed,
    /// It took more memory or processor time than it may.
    #[error("Function failed due to not having enough compute resources (please check logs)")]
    OverLimit,
    /// The server that runs functions does not answer. The text is for the log.
    #[error("the server that runs functions cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("The upstream server is timing out")]
    TimedOut,
    /// The request cannot be passed on.
    #[error("the request cannot be passed on")]
    BadRequest,
}

impl Error {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoName => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::NotEnabled => (StatusCode::NOT_IMPLEMENTED, "NOT_ENABLED"),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_NO_AUTH_HEADER"),
            Self::NotAToken => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_INVALID_JWT_FORMAT"),
            Self::BadLegacyToken => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_LEGACY_JWT"),
            Self::BadToken => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_ASYMMETRIC_JWT"),
            Self::Algorithm => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            Self::Boot(_) => (StatusCode::SERVICE_UNAVAILABLE, "BOOT_ERROR"),
            Self::Crashed => (StatusCode::INTERNAL_SERVER_ERROR, "WORKER_ERROR"),
            Self::OverLimit => (worker_limit(), "WORKER_LIMIT"),
            Self::Unreachable(_) => (StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "TIMED_OUT"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        }
    }

    /// What callers may read.
    fn public(&self) -> String {
        match self {
            Self::Boot(_) => "Worker failed to boot (please check logs)".to_owned(),
            Self::Unreachable(_) => "The server that runs functions cannot be reached".to_owned(),
            other => other.to_string(),
        }
    }
}

/// 546, which is upstream's own.
fn worker_limit() -> StatusCode {
    StatusCode::from_u16(546).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let (status, code) = self.kind();
        if matches!(self, Self::Boot(_) | Self::Unreachable(_)) {
            tracing::error!(error = %self, "functions");
        }
        let mut answer = HttpResponse::build(status);
        answer.insert_header(("sb-error-code", code));
        if matches!(status.as_u16(), 502..=504) {
            answer.insert_header(("x-relay-error", "true"));
        }
        let message = self.public();
        answer.json(json!({ "code": code, "message": message, "msg": message }))
    }
}
