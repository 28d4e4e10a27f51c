//! Errors on the wire.
//!
//! The body is `{"statusCode","error","message","code"}`, all strings. The HTTP status is 400 for
//! whatever is the client's fault, with few exceptions: clients compare the body's `statusCode`
//! (upstream's `error-handler.ts` and `errors/codes.ts`).

use std::borrow::Cow;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use kernel::ApiError;
use serde::Serialize;

use super::{Error, Existing};

/// What the tables below say of a cause: status in the body, label, code.
type Row = (u16, &'static str, &'static str);

impl Error {
    pub(super) fn row(&self) -> Row {
        match self {
            Self::NoSuchBucket => (404, "Bucket not found", "NoSuchBucket"),
            Self::NoSuchKey => (404, "not_found", "NoSuchKey"),
            Self::NoSuchFile => (404, "Not found", "NoSuchKey"),
            Self::InvalidRequest(_) => (400, "InvalidRequest", "InvalidRequest"),
            Self::Schema(_) => (400, "Error", "InvalidRequest"),
            Self::Json(_) => (400, "FastifyError", "InvalidRequest"),
            Self::EntityTooLarge(_) => (413, "Payload too large", "EntityTooLarge"),
            Self::BodyTooLarge => (413, "FastifyError", "EntityTooLarge"),
            Self::QuotaExceeded(_) => (413, "Payload too large", "QuotaExceeded"),
            Self::InvalidBucketName => (400, "Invalid Input", "InvalidBucketName"),
            Self::InvalidKey(_) => (400, "InvalidKey", "InvalidKey"),
            Self::InvalidMimeType(_) | Self::InvalidContentType => {
                (415, "invalid_mime_type", "InvalidMimeType")
            }
            Self::InvalidRange => (416, "invalid_range", "InvalidRange"),
            Self::Exists(Existing::Key) => (409, "Duplicate", "KeyAlreadyExists"),
            Self::Exists(Existing::Bucket) => (409, "Duplicate", "BucketAlreadyExists"),
            Self::Exists(Existing::Other) => (409, "Duplicate", "ResourceAlreadyExists"),
            Self::NotEmpty => (409, "ResourceNotEmpty", "ResourceNotEmpty"),
            Self::Locked => (423, "ResourceLocked", "ResourceLocked"),
            Self::Referenced(_) => (409, "ResourceReferenced", "ResourceReferenced"),
            Self::RelatedMissing => (404, "InvalidRequest", "InvalidRequest"),
            Self::TooManyObjects => (409, "InvalidRequest", "InvalidRequest"),
            Self::AccessDenied(_) | Self::InvalidRole | Self::UnknownRole(_) => {
                (403, "Unauthorized", "AccessDenied")
            }
            Self::InvalidJwt(_) => (400, "InvalidJWT", "InvalidJWT"),
            Self::InvalidSignature(_) => (400, "InvalidSignature", "InvalidSignature"),
            Self::InvalidParameter(_) => (400, "InvalidParameter", "InvalidParameter"),
            Self::InvalidRobotsTag(_) => (400, "invalid_x_robots_tag", "InvalidRequest"),
            Self::FeatureNotEnabled(_) => (409, "FeatureNotEnabled", "FeatureNotEnabled"),
            Self::Unrenderable(_) => (400, "InvalidRequest", "InvalidRequest"),
            Self::RenderTimeout => (408, "InvalidRequest", "InvalidRequest"),
            Self::Busy => (503, "SlowDown", "SlowDown"),
            Self::Aborted => (499, "Request aborted", "Aborted"),
            Self::NoRoute(_) => (404, "Not Found", "InvalidRequest"),
            Self::DiskFull => (507, "InsufficientStorage", "InternalError"),
            Self::StoreUnavailable(_) => (503, "S3Error", "S3Error"),
            Self::StoreRefused(_) => (500, "S3Error", "S3Error"),
            Self::DatabaseTimeout(_) => (544, "DatabaseTimeout", "DatabaseTimeout"),
            Self::DatabaseReadOnly => (503, "DatabaseReadOnly", "DatabaseReadOnly"),
            Self::SlowDown => (429, "too_many_connections", "SlowDown"),
            Self::SchemaMismatch(_) => (503, "DatabaseSchemaMismatch", "DatabaseSchemaMismatch"),
            Self::InvalidDefinition(_) => {
                (503, "DatabaseInvalidObjectDefinition", "DatabaseInvalidObjectDefinition")
            }
            Self::Raised(_) => (400, "InvalidRequest", "InvalidRequest"),
            Self::Database(_) => (500, "DatabaseError", "DatabaseError"),
            Self::Internal(_) => (500, "Internal", "InternalError"),
        }
    }

    /// The status that it would have where clients do not insist on 400.
    pub(crate) fn meant(&self) -> u16 {
        self.row().0
    }

    /// The HTTP status: mostly not the one in the body.
    pub(super) fn http(&self) -> u16 {
        match self {
            Self::InvalidRole
            | Self::InvalidRange
            | Self::NoRoute(_)
            | Self::Aborted
            | Self::BodyTooLarge => self.row().0,
            Self::DatabaseTimeout(_) | Self::SlowDown | Self::DiskFull | Self::Busy => self.row().0,
            Self::StoreUnavailable(_) | Self::StoreRefused(_) => self.row().0,
            Self::Database(_) | Self::Internal(_) => 500,
            _ => 400,
        }
    }
}

impl ApiError for Error {
    fn status(&self) -> u16 {
        self.http()
    }

    fn code(&self) -> &str {
        self.row().2
    }

    fn public(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    status_code: String,
    error: &'a str,
    message: &'a str,
    code: &'a str,
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.report();
        let (status, error, code) = self.row();
        let message = self.to_string();
        let mut answer = HttpResponse::build(self.status_code());
        if matches!(self, Self::Aborted | Self::EntityTooLarge(_)) {
            // What the client still sends is not read.
            answer.force_close();
        }
        let body = Body { status_code: status.to_string(), error, message: &message, code };
        let mut answer = answer.content_type("application/json; charset=utf-8").json(body);
        if matches!(self, Self::NoSuchFile) {
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if matches!(self, Self::Busy | Self::StoreUnavailable(_)) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What clients of upstream compare: HTTP status, and of the body status, label, code and message.
    #[test]
    fn the_catalogue() {
        let check = |error: Error, http: u16, status: u16, label: &str, code: &str, message: &str| {
            assert_eq!(
                (error.http(), error.row(), error.to_string().as_str()),
                (http, (status, label, code), message)
            );
        };
        let exists = "The resource already exists";
        let invalid = "InvalidRequest";
        check(Error::NoSuchBucket, 400, 404, "Bucket not found", "NoSuchBucket", "Bucket not found");
        check(Error::NoSuchKey, 400, 404, "not_found", "NoSuchKey", "Object not found");
        check(Error::NoSuchFile, 400, 404, "Not found", "NoSuchKey", "The resource was not found");
        check(Error::InvalidJwt("x"), 400, 400, "InvalidJWT", "InvalidJWT", "x");
        check(Error::InvalidRequest("x".into()), 400, 400, invalid, invalid, "x");
        check(Error::Schema("x".into()), 400, 400, "Error", invalid, "x");
        check(Error::Json("x"), 400, 400, "FastifyError", invalid, "x");
        let too_large = "The object exceeded the maximum allowed size";
        check(Error::EntityTooLarge("object"), 400, 413, "Payload too large", "EntityTooLarge", too_large);
        check(Error::BodyTooLarge, 413, 413, "FastifyError", "EntityTooLarge", "Request body is too large");
        check(
            Error::InvalidBucketName,
            400,
            400,
            "Invalid Input",
            "InvalidBucketName",
            "Bucket name invalid",
        );
        check(Error::InvalidKey("ä".into()), 400, 400, "InvalidKey", "InvalidKey", "Invalid key: ä");
        let mime =
            |message: &str, error| check(error, 400, 415, "invalid_mime_type", "InvalidMimeType", message);
        mime("mime type a/b is not supported", Error::InvalidMimeType("a/b".into()));
        mime("Invalid Content-Type header", Error::InvalidContentType);
        check(Error::InvalidRange, 416, 416, "invalid_range", "InvalidRange", "invalid range provided");
        for (existing, code) in [
            (Existing::Key, "KeyAlreadyExists"),
            (Existing::Bucket, "BucketAlreadyExists"),
            (Existing::Other, "ResourceAlreadyExists"),
        ] {
            check(Error::Exists(existing), 400, 409, "Duplicate", code, exists);
        }
        let not_empty = "The bucket you tried to delete is not empty";
        check(Error::NotEmpty, 400, 409, "ResourceNotEmpty", "ResourceNotEmpty", not_empty);
        check(Error::Locked, 400, 423, "ResourceLocked", "ResourceLocked", "The resource is locked");
        check(Error::Referenced("x"), 400, 409, "ResourceReferenced", "ResourceReferenced", "x");
        check(Error::RelatedMissing, 400, 404, invalid, invalid, "The related resource does not exist");
        let too_many = "Unable to empty the bucket because it contains too many objects";
        check(Error::TooManyObjects, 400, 409, invalid, invalid, too_many);
        let policy = "new row violates row-level security policy";
        check(Error::policy(), 400, 403, "Unauthorized", "AccessDenied", policy);
        check(Error::InvalidRole, 403, 403, "Unauthorized", "AccessDenied", "Access denied: Invalid role");
        check(Error::InvalidSignature("x"), 400, 400, "InvalidSignature", "InvalidSignature", "x");
        check(Error::InvalidParameter("x".into()), 400, 400, "InvalidParameter", "InvalidParameter", "x");
        let robots = "Invalid X-Robots-Tag header: x";
        check(Error::InvalidRobotsTag("x".into()), 400, 400, "invalid_x_robots_tag", invalid, robots);
        let feature = "The feature x is not enabled for this resource";
        check(Error::FeatureNotEnabled("x"), 400, 409, "FeatureNotEnabled", "FeatureNotEnabled", feature);
        check(Error::Aborted, 499, 499, "Request aborted", "Aborted", "Request aborted");
        let full = "There is no space left to store the object";
        check(Error::DiskFull, 507, 507, "InsufficientStorage", "InternalError", full);
        let route = "Route GET:/bucket/x/y not found";
        check(Error::NoRoute("GET:/bucket/x/y".into()), 404, 404, "Not Found", invalid, route);
        let slow = "Too many connections issued to the database";
        check(Error::SlowDown, 429, 429, "too_many_connections", "SlowDown", slow);
    }
}
