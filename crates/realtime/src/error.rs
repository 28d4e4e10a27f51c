//! Every answer that is not success, in upstream's words: refusals before the upgrade, of joins, and of requests.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use thiserror::Error;

use crate::authz::Unanswered;
use crate::token::Refused;

/// Why a socket was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConnectError {
    #[error("API key is missing")]
    NoKey,
    #[error("{}", short(.0))]
    Token(Refused),
    #[error("Too many connected users")]
    TooManySockets,
    #[error("Too many joins per second")]
    TooManyJoins,
    #[error("Error connecting to Realtime")]
    Unusable,
}

impl ConnectError {
    /// Upstream's name of it, for those who run the server.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoKey => "MissingAPIKey",
            Self::Token(refused) => refused.code(),
            Self::TooManySockets => "ConnectionRateLimitReached",
            Self::TooManyJoins => "JoinsRateLimitReached",
            Self::Unusable => "ErrorConnectingToWebsocket",
        }
    }
}

/// Before the upgrade nobody is told how long ago a token ended.
fn short(refused: &Refused) -> String {
    match refused {
        Refused::Expired { .. } => "Token has expired".to_owned(),
        other => other.to_string(),
    }
}

impl ResponseError for ConnectError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::TooManySockets | Self::TooManyJoins => StatusCode::TOO_MANY_REQUESTS,
            Self::Unusable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({ "error": self.to_string() }))
    }
}

/// Why a channel was not joined: the `reason` that the client reads.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum JoinError {
    #[error("TopicNameRequired: You must provide a topic name")]
    NoTopic,
    #[error("PrivateOnly: This project only allows private channels")]
    PrivateOnly,
    #[error("ChannelRateLimitReached: Too many channels")]
    TooManyChannels,
    #[error("ClientJoinRateLimitReached: Too many joins per second")]
    TooManyJoins,
    #[error("{code}: {0}", code = .0.code())]
    Token(Refused),
    #[error("Unauthorized: You do not have permissions to read from this Channel topic: {0}")]
    Unauthorized(String),
    #[error("IncreaseConnectionPool: Please increase your connection pool size")]
    Busy,
    #[error("UnableToConnectToProject: Realtime was unable to connect to the project database")]
    Unreachable,
    #[error("QueryCanceled: {0}")]
    Cancelled(String),
    #[error("MissingPartition: Realtime was unable to find the expected messages partition")]
    NoPartition,
    #[error("RealtimeRestarting: Realtime is restarting, please standby")]
    Restarting,
    #[error("UnableToReplayMessages: Realtime was unable to replay messages")]
    Replay,
    #[error("UnableToReplayMessages: Replay params are not valid")]
    ReplayParameters,
    #[error("UnableToReplayMessages: Replay is not allowed for public channels")]
    ReplayOfPublic,
}

impl JoinError {
    /// What its text begins with.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoTopic => "TopicNameRequired",
            Self::PrivateOnly => "PrivateOnly",
            Self::TooManyChannels => "ChannelRateLimitReached",
            Self::TooManyJoins => "ClientJoinRateLimitReached",
            Self::Token(refused) => refused.code(),
            Self::Unauthorized(_) => "Unauthorized",
            Self::Busy => "IncreaseConnectionPool",
            Self::Unreachable => "UnableToConnectToProject",
            Self::Cancelled(_) => "QueryCanceled",
            Self::NoPartition => "MissingPartition",
            Self::Restarting => "RealtimeRestarting",
            Self::Replay | Self::ReplayParameters | Self::ReplayOfPublic => "UnableToReplayMessages",
        }
    }

    /// For a caller whose rights to `topic` could not be found out.
    pub(crate) fn unanswered(error: Unanswered, topic: &str) -> Self {
        match error {
            Unanswered::Policy(_) => Self::Unauthorized(topic.to_owned()),
            Unanswered::Cancelled(text) => Self::Cancelled(text),
            Unanswered::NoPartition => Self::NoPartition,
            Unanswered::Busy => Self::Busy,
            Unanswered::Unreachable(_) => Self::Unreachable,
        }
    }
}

/// Why a request to broadcast was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Error {
    #[error("Unauthorized")]
    Unauthorized,
    #[error("Unauthorized")]
    Forbidden,
    #[error("the messages are not valid")]
    Invalid(Value),
    #[error("{0}")]
    Unprocessable(&'static str),
    #[error("You have exceeded your rate limit")]
    TooManyMessages,
    #[error("Too many messages to broadcast, please reduce the batch size")]
    BatchTooLarge,
    #[error("Connection pool exhausted")]
    Busy,
    #[error("Unsupported Media Type. Use application/json or application/octet-stream")]
    MediaType,
    #[error("The request body is too large")]
    TooLarge,
    #[error("The request body cannot be read")]
    Unreadable,
}

impl From<Unanswered> for Error {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Policy(_) => Self::Unprocessable("RLS policy error"),
            Unanswered::Cancelled(_) => Self::Unprocessable("Query canceled"),
            Unanswered::NoPartition => Self::Unprocessable("Missing messages partition"),
            Unanswered::Unreachable(_) => Self::Unprocessable("Tenant database unavailable"),
            Unanswered::Busy => Self::Busy,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Invalid(_) | Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyMessages | Self::BatchTooLarge | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let body = match self {
            Self::Invalid(errors) => json!({ "errors": errors }),
            Self::MediaType => json!({ "error": self.to_string() }),
            _ => json!({ "message": self.to_string() }),
        };
        HttpResponse::build(self.status_code()).json(body)
    }
}
