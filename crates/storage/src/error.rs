//! Every answer that is not success, in the words of Supabase Storage. [`answer`] says what clients are told of
//! each cause.

mod answer;

use std::borrow::Cow;

use kernel::TokenError;

/// An answer that is not success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such bucket, or the caller may not know.
    #[error("Bucket not found")]
    NoSuchBucket,
    /// There is no such object, or the caller may not know.
    #[error("Object not found")]
    NoSuchKey,
    /// An object whose file is missing.
    #[error("The resource was not found")]
    NoSuchFile,
    /// The request makes no sense.
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    /// The request does not have the shape it must have.
    #[error("{0}")]
    Schema(String),
    /// The body is no JSON.
    #[error("{0}")]
    Json(&'static str),
    /// More bytes than are allowed, of what is named.
    #[error("The {0} exceeded the maximum allowed size")]
    EntityTooLarge(&'static str),
    /// A JSON body over the limit.
    #[error("Request body is too large")]
    BodyTooLarge,
    /// No bucket can have this name.
    #[error("Bucket name invalid")]
    InvalidBucketName,
    /// No object can have this name.
    #[error("Invalid key: {0}")]
    InvalidKey(String),
    /// The bucket does not take this media type.
    #[error("mime type {0} is not supported")]
    InvalidMimeType(String),
    /// The header names no media type.
    #[error("Invalid Content-Type header")]
    InvalidContentType,
    /// A range that is none, or lies beyond the end.
    #[error("invalid range provided")]
    InvalidRange,
    /// An object, a bucket or something else of this name exists.
    #[error("The resource already exists")]
    Exists(Existing),
    /// Only empty buckets can be deleted.
    #[error("The bucket you tried to delete is not empty")]
    NotEmpty,
    /// Others are at it for longer than we wait.
    #[error("The resource is locked")]
    Locked,
    /// Something else needs it.
    #[error("{0}")]
    Referenced(&'static str),
    /// What it belongs to does not exist.
    #[error("The related resource does not exist")]
    RelatedMissing,
    /// More objects than an emptying may touch.
    #[error("Unable to empty the bucket because it contains too many objects")]
    TooManyObjects,
    /// The policies, or the token.
    #[error("{0}")]
    AccessDenied(Cow<'static, str>),
    /// An endpoint for another role.
    #[error("Access denied: Invalid role")]
    InvalidRole,
    /// A signed URL whose token is none.
    #[error("{0}")]
    InvalidJwt(&'static str),
    /// A signed URL for something else.
    #[error("{0}")]
    InvalidSignature(&'static str),
    /// A parameter that cannot be used.
    #[error("{0}")]
    InvalidParameter(String),
    /// A header for robots that they would not understand.
    #[error("Invalid X-Robots-Tag header: {0}")]
    InvalidRobotsTag(String),
    /// Something that this server does not have.
    #[error("The feature {0} is not enabled for this resource")]
    FeatureNotEnabled(&'static str),
    /// A picture that cannot be made, and why.
    #[error("{0}")]
    Unrenderable(&'static str),
    /// A picture that took too long.
    #[error("Image request timed out")]
    RenderTimeout,
    /// More pictures are wanted than can wait.
    #[error("Too many requests")]
    Busy,
    /// The client went away, or stopped sending.
    #[error("Request aborted")]
    Aborted,
    /// No such endpoint.
    #[error("Route {0} not found")]
    NoRoute(String),
    /// The bucket holds as much as it may.
    #[error("{0}")]
    QuotaExceeded(String),
    /// No room is left on the disk.
    #[error("There is no space left to store the object")]
    DiskFull,
    /// The S3 server that keeps the files does not answer in time, or has no time.
    #[error("The storage backend is not available. Please try again later.")]
    StoreUnavailable(#[source] object::Error),
    /// The S3 server that keeps the files does not let us, or does not take this file.
    #[error("The storage backend refused the request")]
    StoreRefused(#[source] object::Error),
    /// Postgres took too long, or could not be reached.
    #[error("The connection to the database timed out")]
    DatabaseTimeout(#[source] db::Error),
    /// Postgres writes nothing now.
    #[error("The database is currently in read-only mode. Please try again later.")]
    DatabaseReadOnly,
    /// Postgres takes no more connections.
    #[error("Too many connections issued to the database")]
    SlowDown,
    /// A policy or a trigger needs what is not there.
    #[error("Database schema is invalid or incompatible")]
    SchemaMismatch(#[source] db::Error),
    /// A policy needs itself.
    #[error("Database object definition is invalid")]
    InvalidDefinition(#[source] db::Error),
    /// A trigger of the developer's has refused, in these words.
    #[error("{0}")]
    Raised(String),
    /// The token's role cannot be taken.
    #[error("{0}")]
    UnknownRole(String),
    /// Anything else that Postgres said.
    #[error("database error, code: {}", .0.code().unwrap_or("unknown"))]
    Database(#[source] db::Error),
    /// A mistake of ours, or of the machine.
    #[error("Internal Server Error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// An object.
    Key,
    /// A bucket.
    Bucket,
    /// Something else.
    Other,
}

impl Error {
    /// What Postgres said, in upstream's words (`database/errors.ts`).
    pub(crate) fn database(error: db::Error) -> Self {
        let server = match &error {
            db::Error::Server(server) => server,
            db::Error::PoolTimeout | db::Error::Connect(_) => return Self::DatabaseTimeout(error),
            _ => return Self::Internal(Box::new(error)),
        };
        match server.code.as_str() {
            "42501" if server.message.contains("row-level security") => Self::policy(),
            "42501" if server.message.starts_with("permission denied to set role") => {
                Self::UnknownRole(server.message.clone())
            }
            "42501" => Self::AccessDenied(server.message.clone().into()),
            "22023" if server.message.starts_with("role ") => Self::UnknownRole(server.message.clone()),
            "23505" => Self::Exists(Existing::Other),
            "23503" => {
                let detail = server.detail.as_deref().unwrap_or_default();
                let parts = server.constraint.as_deref().is_some_and(|name| name.starts_with("s3_multipart"));
                match (detail.contains("is still referenced from table"), parts) {
                    (false, _) => Self::RelatedMissing,
                    (true, true) => Self::Referenced(
                        "The bucket could not be updated because it is referenced by a pending multipart upload.",
                    ),
                    (true, false) => Self::Referenced(
                        "The resource could not be updated or removed due to a foreign key constraint",
                    ),
                }
            }
            "55P03" => Self::Locked,
            "57014" => Self::DatabaseTimeout(error),
            "25006" => Self::DatabaseReadOnly,
            "53300" => Self::SlowDown,
            "42P17" => Self::InvalidDefinition(error),
            "42703" | "42P01" => Self::SchemaMismatch(error),
            "22P02" | "22P05" | "22021" | "22007" | "22008" => Self::InvalidParameter(server.message.clone()),
            "BQ001" => Self::QuotaExceeded(server.message.clone()),
            "P0001" => Self::Raised(server.message.clone()),
            _ => Self::Database(error),
        }
    }

    /// As [`Error::database`], where a second one of `existing` was about to be made.
    pub(crate) fn making(existing: Existing) -> impl Fn(db::Error) -> Self {
        move |error| match Self::database(error) {
            Self::Exists(_) => Self::Exists(existing),
            other => other,
        }
    }

    /// What the disk said, about an object that may be `named` in the answer.
    pub(crate) fn disk(error: object::Error, named: &str) -> Self {
        match error {
            object::Error::NotFound => Self::NoSuchFile,
            object::Error::Name => Self::InvalidKey(named.to_owned()),
            object::Error::Full => Self::DiskFull,
            error @ object::Error::Unavailable(_) => Self::StoreUnavailable(error),
            error @ object::Error::Refused(_) => Self::StoreRefused(error),
            object::Error::Io(error) => Self::Internal(Box::new(error)),
        }
    }

    pub(crate) fn policy() -> Self {
        Self::AccessDenied("new row violates row-level security policy".into())
    }

    /// What made a picture fail, in upstream's words.
    pub(crate) fn picture(error: picture::Error) -> Self {
        match error {
            picture::Error::Unreadable(_) => Self::invalid_picture(),
            picture::Error::TooLarge => {
                Self::Unrenderable("The source image resolution is too large to process")
            }
            picture::Error::Encode(_) => Self::Internal(Box::new(error)),
        }
    }

    pub(crate) fn invalid_picture() -> Self {
        Self::Unrenderable("The source image is invalid or unsupported for rendering")
    }
}

impl Error {
    /// Into the log, once: what the client is told does not say what happened.
    pub(crate) fn report(&self) {
        match self {
            Self::DatabaseTimeout(cause)
            | Self::SchemaMismatch(cause)
            | Self::InvalidDefinition(cause)
            | Self::Database(cause) => tracing::error!(error = %cause, "storage: the database failed"),
            Self::Internal(cause) => tracing::error!(error = %cause, "storage failed"),
            Self::StoreUnavailable(cause) | Self::StoreRefused(cause) => {
                tracing::error!(error = %cause, "storage: the S3 server failed");
            }
            Self::NoSuchFile => tracing::error!("an object has no file"),
            Self::DiskFull => tracing::error!("the disk of storage is full"),
            _ => {}
        }
    }
}

/// Why a token is refused, in the words of upstream's verifier (jose).
pub(crate) fn token_text(error: &TokenError) -> &'static str {
    match error {
        TokenError::Empty | TokenError::Parts(_) | TokenError::NoRole => "Invalid Compact JWS",
        TokenError::Undecodable | TokenError::Kind => "JWS Protected Header is invalid",
        TokenError::NoSecret | TokenError::NoKey => "signature verification failed",
        TokenError::Algorithm(_) => "\"alg\" (Algorithm) Header Parameter value not allowed",
        TokenError::Claims => "JWT Claims Set must be a top-level JSON object",
        TokenError::NotANumber("exp") => "\"exp\" claim must be a number",
        TokenError::NotANumber("nbf") => "\"nbf\" claim must be a number",
        TokenError::NotANumber(_) => "\"iat\" claim must be a number",
        TokenError::Expired => "\"exp\" claim timestamp check failed",
        TokenError::NotYetValid => "\"nbf\" claim timestamp check failed",
        TokenError::IssuedInFuture => "\"iat\" claim timestamp check failed (it should be in the past)",
        TokenError::AudienceShape | TokenError::Audience => "unexpected \"aud\" claim value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_says_is_told_in_upstreams_words() {
        let told = |code: &str, message: &str| {
            let server =
                db::ServerError { code: code.into(), message: message.into(), ..db::ServerError::default() };
            let error = Error::database(db::Error::Server(Box::new(server)));
            (error.http(), error.row().0, error.row().2, error.to_string())
        };
        let check = |code: &str, http: u16, status: u16, told_code: &str, message: &str| {
            assert_eq!(told(code, "text"), (http, status, told_code, message.to_owned()), "{code}");
        };
        check("42501", 400, 403, "AccessDenied", "text");
        check("23505", 400, 409, "ResourceAlreadyExists", "The resource already exists");
        check("23503", 400, 404, "InvalidRequest", "The related resource does not exist");
        check("55P03", 400, 423, "ResourceLocked", "The resource is locked");
        check("57014", 544, 544, "DatabaseTimeout", "The connection to the database timed out");
        let read_only = "The database is currently in read-only mode. Please try again later.";
        check("25006", 400, 503, "DatabaseReadOnly", read_only);
        check("53300", 429, 429, "SlowDown", "Too many connections issued to the database");
        let schema = "Database schema is invalid or incompatible";
        check("42P01", 400, 503, "DatabaseSchemaMismatch", schema);
        check("42703", 400, 503, "DatabaseSchemaMismatch", schema);
        let definition = "Database object definition is invalid";
        check("42P17", 400, 503, "DatabaseInvalidObjectDefinition", definition);
        check("22P02", 400, 400, "InvalidParameter", "text");
        check("P0001", 400, 400, "InvalidRequest", "text");
        check("XX000", 500, 500, "DatabaseError", "database error, code: XX000");
        let policy = "new row violates row-level security policy for table \"objects\"";
        assert_eq!(told("42501", policy).3, "new row violates row-level security policy");
    }
}
