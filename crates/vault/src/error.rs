//! Every answer of `/vault/v1` that is not success: `{"code", "message"}`.
//!
//! There is no original to follow: the codes are ours. No body holds what a secret contains.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use kernel::TokenError;
use serde_json::json;

use crate::admin;

/// An answer that is not success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Only the service role may come.
    #[error("only the service role may use the vault")]
    Forbidden,
    /// The token is not good.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The body or a parameter has not the shape it must have.
    #[error("{0}")]
    Request(String),
    /// There is no such endpoint.
    #[error("no such endpoint")]
    NoRoute,
    /// What the vault said.
    #[error(transparent)]
    Vault(#[from] admin::Error),
}

impl Error {
    /// Status and code. Postgres' codes are those that `vault._open` and `vault._keys` raise.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Token(_) => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Request(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_route"),
            Self::Vault(error) => match error {
                admin::Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
                admin::Error::Name => (StatusCode::BAD_REQUEST, "invalid_name"),
                admin::Error::NoContent => (StatusCode::BAD_REQUEST, "invalid_request"),
                admin::Error::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "too_long"),
                admin::Error::Exists => (StatusCode::CONFLICT, "already_exists"),
                admin::Error::Database(error) => match error.code() {
                    Some("XX001") => (StatusCode::UNPROCESSABLE_ENTITY, "damaged"),
                    Some("0A000") => (StatusCode::UNPROCESSABLE_ENTITY, "sealed_elsewhere"),
                    Some("F0000") => (StatusCode::SERVICE_UNAVAILABLE, "key_unreadable"),
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                },
                admin::Error::KeyFile { .. } | admin::Error::OtherFile | admin::Error::Unopened(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "internal")
                }
            },
        }
    }

    fn public(&self, code: &str) -> String {
        match code {
            "damaged" => {
                "the secret is damaged, belongs to another row or was sealed with another key".to_owned()
            }
            "sealed_elsewhere" => "another server sealed this secret: adopt it, or write it again".to_owned(),
            "key_unreadable" => "the database server cannot read the key of the vault".to_owned(),
            "internal" => "something went wrong; the log of the server tells what".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let (status, code) = self.kind();
        if status.is_server_error() {
            tracing::error!(error = %self, "vault");
        }
        HttpResponse::build(status).json(json!({ "code": code, "message": self.public(code) }))
    }
}
