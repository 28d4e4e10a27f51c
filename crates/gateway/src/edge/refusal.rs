//! The gateway's own errors.
//!
//! Bodies are those of hosted Supabase: the clients of the data API show `message` and `hint`,
//! the auth client reads `message`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use serde_json::json;

/// A request that reaches no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("No API key found in request")]
    NoKey,
    #[error("Invalid API key")]
    BadKey,
    #[error("Forbidden use of secret API key in browser")]
    SecretInBrowser,
    #[error("You cannot consume this service")]
    NotService,
    #[error("no Route matched with those values")]
    NoRoute,
    #[error("The request path is not acceptable")]
    BadPath,
    #[error("Payload Too Large")]
    TooLarge,
    #[error("Encoded request bodies are not supported")]
    Encoded,
    #[error("{0} is not available on this server")]
    Absent(&'static str),
    #[error("Only POST is possible here")]
    PostOnly,
    #[error("The upstream server is timing out")]
    TimedOut,
    #[error("The server is starting")]
    Starting,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::NoKey | Self::BadKey | Self::SecretInBrowser => StatusCode::UNAUTHORIZED,
            Self::NotService => StatusCode::FORBIDDEN,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BadPath => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Absent(_) => StatusCode::NOT_IMPLEMENTED,
            Self::PostOnly => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Starting => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn hint(self) -> Option<&'static str> {
        match self {
            Self::NoKey => Some("No `apikey` request header or url param was found."),
            Self::BadKey => Some("Double check your Supabase `anon` or `service_role` API key."),
            Self::SecretInBrowser => Some(
                "Secret API keys can only be used in a protected environment and should never be used in a browser. Delete this secret API key immediately.",
            ),
            _ => None,
        }
    }

    /// The answer.
    pub(crate) fn answer(self) -> HttpResponse {
        let body = match self.hint() {
            Some(hint) => json!({ "message": self.to_string(), "hint": hint }),
            None => json!({ "message": self.to_string() }),
        };
        let mut answer = HttpResponse::build(self.status());
        if self == Self::Starting {
            answer.insert_header((RETRY_AFTER, "1"));
        }
        answer.json(body)
    }
}
