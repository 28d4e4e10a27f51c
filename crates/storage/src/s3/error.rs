//! What the S3 protocol refuses, in S3's codes and statuses. What the rest of storage refuses is put into
//! those words here.

use std::borrow::Cow;

use crate::error::{Error as Cause, Existing};
use crate::s3::chunked::Fault;

/// An answer that is not success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("The request has no signature")]
    MissingSignature,
    #[error("The authorization header is malformed; {0}")]
    AuthorizationMalformed(&'static str),
    #[error("{0}")]
    QueryMalformed(&'static str),
    #[error("The authorization header is malformed; the region '{given}' is wrong; expecting '{expected}'")]
    WrongRegion { given: String, expected: String },
    #[error("The AWS access key ID you provided does not exist in our records.")]
    InvalidAccessKeyId,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureDoesNotMatch,
    #[error("The difference between the request time and the server's time is too large.")]
    Skewed,
    #[error("Request has expired")]
    Expired,
    #[error("{0}")]
    AccessDenied(Cow<'static, str>),
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadMismatch,
    #[error("The Content-MD5 or checksum value that you specified did not match what the server received.")]
    BadDigest,
    #[error("The Content-MD5 or checksum value that you specified is not valid.")]
    InvalidDigest,
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header.")]
    IncompleteBody,
    #[error(
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )]
    MalformedTrailer,
    #[error("The XML you provided was not well-formed or did not validate against our published schema.")]
    MalformedXml,
    #[error("{0}")]
    InvalidArgument(Cow<'static, str>),
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    #[error("The content of the form does not meet the conditions specified in the policy document.")]
    InvalidPolicy,
    #[error("{0}")]
    InvalidTag(&'static str),
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    #[error("A header you provided implies functionality that is not implemented")]
    NotImplemented,
    #[error("The specified method is not allowed against this resource.")]
    MethodNotAllowed,
    #[error(
        "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed."
    )]
    NoSuchUpload,
    #[error(
        "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag."
    )]
    InvalidPart,
    #[error(
        "The list of parts was not in ascending order. Parts list must be specified in order by part number."
    )]
    InvalidPartOrder,
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall,
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    #[error("{0}")]
    NotConfigured(&'static str, &'static str),
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou,
    #[error("Your POST request fields preceding the upload file were too large.")]
    FieldsTooLarge,
    #[error("Couldn't parse the specified URI.")]
    InvalidUri,
    #[error("Your key is too long")]
    KeyTooLong,
    #[error("Your metadata headers exceed the maximum allowed metadata size.")]
    MetadataTooLarge,
    #[error("The requested range is not satisfiable")]
    InvalidRange,
    #[error("The bucket does not allow ACLs")]
    NoAccessControlLists,
    /// Anything that all of storage refuses.
    #[error(transparent)]
    Storage(#[from] Cause),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::InvalidRequest("The body is not in chunks as it should be".into()),
            Fault::Incomplete => Self::IncompleteBody,
            Fault::Signature => Self::SignatureDoesNotMatch,
            Fault::Trailer => Self::MalformedTrailer,
        }
    }
}

impl Error {
    /// What Postgres said.
    pub(crate) fn database(error: db::Error) -> Self {
        Self::Storage(Cause::database(error))
    }

    /// Status and code.
    pub(crate) fn row(&self) -> (u16, &'static str) {
        match self {
            Self::MissingSignature | Self::AccessDenied(_) | Self::Expired => (403, "AccessDenied"),
            Self::AuthorizationMalformed(_) | Self::WrongRegion { .. } => {
                (400, "AuthorizationHeaderMalformed")
            }
            Self::QueryMalformed(_) => (400, "AuthorizationQueryParametersError"),
            Self::InvalidAccessKeyId => (403, "InvalidAccessKeyId"),
            Self::SignatureDoesNotMatch => (403, "SignatureDoesNotMatch"),
            Self::Skewed => (403, "RequestTimeTooSkewed"),
            Self::PayloadMismatch => (400, "XAmzContentSHA256Mismatch"),
            Self::BadDigest => (400, "BadDigest"),
            Self::InvalidDigest => (400, "InvalidDigest"),
            Self::MissingContentLength => (411, "MissingContentLength"),
            Self::IncompleteBody => (400, "IncompleteBody"),
            Self::MalformedTrailer => (400, "MalformedTrailerError"),
            Self::MalformedXml => (400, "MalformedXML"),
            Self::InvalidArgument(_) => (400, "InvalidArgument"),
            Self::InvalidRequest(_) => (400, "InvalidRequest"),
            Self::InvalidPolicy => (400, "InvalidPolicyDocument"),
            Self::InvalidTag(_) => (400, "InvalidTag"),
            Self::PreconditionFailed => (412, "PreconditionFailed"),
            Self::NotImplemented => (501, "NotImplemented"),
            Self::MethodNotAllowed => (405, "MethodNotAllowed"),
            Self::NoSuchUpload => (404, "NoSuchUpload"),
            Self::InvalidPart => (400, "InvalidPart"),
            Self::InvalidPartOrder => (400, "InvalidPartOrder"),
            Self::EntityTooSmall => (400, "EntityTooSmall"),
            Self::NoSuchVersion => (404, "NoSuchVersion"),
            Self::NotConfigured(code, _) => (404, code),
            Self::BucketAlreadyOwnedByYou => (409, "BucketAlreadyOwnedByYou"),
            Self::FieldsTooLarge => (400, "MaxPostPreDataLengthExceededError"),
            Self::InvalidUri => (400, "InvalidURI"),
            Self::KeyTooLong => (400, "KeyTooLongError"),
            Self::MetadataTooLarge => (400, "MetadataTooLarge"),
            Self::InvalidRange => (416, "InvalidRange"),
            Self::NoAccessControlLists => (400, "AccessControlListNotSupported"),
            Self::Storage(cause) => of(cause),
        }
    }

    /// True if what the client still sends is not read.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Storage(Cause::Aborted | Cause::EntityTooLarge(_) | Cause::BodyTooLarge)
                | Self::IncompleteBody
        )
    }
}

/// What all of storage refuses, in S3's words.
fn of(cause: &Cause) -> (u16, &'static str) {
    match cause {
        Cause::NoSuchBucket | Cause::RelatedMissing => (404, "NoSuchBucket"),
        Cause::NoSuchKey | Cause::NoSuchFile => (404, "NoSuchKey"),
        Cause::InvalidRequest(_) | Cause::Schema(_) | Cause::Json(_) | Cause::InvalidRobotsTag(_) => {
            (400, "InvalidRequest")
        }
        Cause::EntityTooLarge(_) | Cause::BodyTooLarge => (413, "EntityTooLarge"),
        Cause::QuotaExceeded(_) => (403, "QuotaExceeded"),
        Cause::InvalidBucketName => (400, "InvalidBucketName"),
        Cause::InvalidKey(_) => (400, "InvalidKey"),
        Cause::InvalidMimeType(_) | Cause::InvalidContentType => (415, "InvalidMimeType"),
        Cause::InvalidRange => (416, "InvalidRange"),
        Cause::Exists(Existing::Bucket) => (409, "BucketAlreadyExists"),
        Cause::Exists(_) => (409, "KeyAlreadyExists"),
        Cause::NotEmpty => (409, "BucketNotEmpty"),
        Cause::Locked => (409, "OperationAborted"),
        Cause::Referenced(_) | Cause::TooManyObjects => (409, "InvalidBucketState"),
        Cause::AccessDenied(_) | Cause::InvalidRole | Cause::UnknownRole(_) => (403, "AccessDenied"),
        Cause::InvalidJwt(_) | Cause::InvalidSignature(_) => (403, "AccessDenied"),
        Cause::InvalidParameter(_) => (400, "InvalidArgument"),
        Cause::FeatureNotEnabled(_) => (501, "NotImplemented"),
        Cause::Raised(_) => (400, "InvalidRequest"),
        Cause::Aborted => (400, "RequestTimeout"),
        Cause::NoRoute(_) => (404, "NoSuchKey"),
        Cause::SlowDown => (503, "SlowDown"),
        Cause::DiskFull
        | Cause::StoreUnavailable(_)
        | Cause::DatabaseTimeout(_)
        | Cause::DatabaseReadOnly => (503, "ServiceUnavailable"),
        _ => (500, "InternalError"),
    }
}
