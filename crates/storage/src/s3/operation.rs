//! Which operation a request asks for.
//!
//! A subresource that is not known is refused, whatever the method: taken for a plain request, a `PUT` of
//! it would overwrite the object, and a `DELETE` would delete it.

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;

use super::error::Error;
use super::query::Query;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetLocation,
    GetVersioning,
    GetAcl,
    PutAcl,
    ListObjects,
    ListObjectsV2,
    ListVersions,
    ListUploads,
    DeleteObjects,
    PostObject,
    PutObject,
    GetObject,
    GetAttributes,
    HeadObject,
    DeleteObject,
    CopyObject,
    GetTagging,
    PutTagging,
    DeleteTagging,
    CreateUpload,
    UploadPart,
    UploadPartCopy,
    CompleteUpload,
    AbortUpload,
    ListParts,
    /// Something that no bucket here has, and the name of what is missing.
    GetAbsent(&'static str, &'static str),
}

impl Operation {
    /// True if it changes nothing.
    pub(crate) fn only_reads(self) -> bool {
        match self {
            Self::ListBuckets
            | Self::HeadBucket
            | Self::GetLocation
            | Self::GetVersioning
            | Self::GetAcl
            | Self::GetAbsent(..)
            | Self::ListObjects
            | Self::ListObjectsV2
            | Self::ListVersions
            | Self::ListUploads
            | Self::GetObject
            | Self::GetAttributes
            | Self::HeadObject
            | Self::GetTagging
            | Self::ListParts => true,
            Self::CreateBucket
            | Self::DeleteBucket
            | Self::PutAcl
            | Self::DeleteObjects
            | Self::PostObject
            | Self::PutObject
            | Self::DeleteObject
            | Self::CopyObject
            | Self::PutTagging
            | Self::DeleteTagging
            | Self::CreateUpload
            | Self::UploadPart
            | Self::UploadPartCopy
            | Self::CompleteUpload
            | Self::AbortUpload => false,
        }
    }

    /// What policies see as `storage.operation` (upstream's names).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "storage.s3.bucket.list",
            Self::CreateBucket => "storage.s3.bucket.create",
            Self::HeadBucket | Self::GetAcl | Self::GetAbsent(..) => "storage.s3.bucket.get",
            Self::DeleteBucket => "storage.s3.bucket.delete",
            Self::PutAcl => "storage.s3.bucket.put_acl",
            Self::GetLocation => "storage.s3.bucket.get_location",
            Self::GetVersioning => "storage.s3.bucket.get_versioning",
            Self::ListObjects | Self::ListObjectsV2 | Self::ListVersions => "storage.s3.object.list",
            Self::ListUploads => "storage.s3.upload.list_multipart",
            Self::DeleteObjects => "storage.s3.object.delete_many",
            Self::PutObject | Self::PostObject => "storage.s3.upload",
            Self::GetObject => "storage.s3.object.get",
            Self::HeadObject | Self::GetAttributes => "storage.s3.object.info",
            Self::DeleteObject => "storage.s3.object.delete",
            Self::CopyObject => "storage.s3.object.copy",
            Self::GetTagging => "storage.s3.object.get_tagging",
            Self::PutTagging => "storage.s3.object.put_tagging",
            Self::DeleteTagging => "storage.s3.object.delete_tagging",
            Self::CreateUpload => "storage.s3.upload.create_multipart",
            Self::UploadPart => "storage.s3.upload.part",
            Self::UploadPartCopy => "storage.s3.upload.part_copy",
            Self::CompleteUpload => "storage.s3.upload.complete_multipart",
            Self::AbortUpload => "storage.s3.upload.abort_multipart",
            Self::ListParts => "storage.s3.upload.list_parts",
        }
    }
}

/// Parameters that say nothing of what is asked for: the signature, and headers that presigned URLs carry
/// in their query. A copy is none of these.
fn is_neutral(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(lower.as_str(), "x-id" | "apikey")
        || (lower.starts_with("x-amz-") && !lower.starts_with("x-amz-copy-source"))
}

/// Subresources that S3 has and this server lacks.
const ABSENT: [&str; 26] = [
    "accelerate",
    "analytics",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "torrent",
    "website",
];

/// What SDKs and tools look for before they go on: that it is not there is an answer.
const CONFIGURATIONS: [(&str, &str, &str); 9] = [
    ("cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    (
        "encryption",
        "ServerSideEncryptionConfigurationNotFoundError",
        "The server side encryption configuration was not found",
    ),
    ("lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    (
        "object-lock",
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    ("ownershipControls", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
    ("policy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
    (
        "publicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    ),
    ("replication", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    ("website", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
];

const LIST: [&str; 9] = [
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "fetch-owner",
    "marker",
];
const LIST_UPLOADS: [&str; 7] =
    ["uploads", "prefix", "delimiter", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"];
const LIST_VERSIONS: [&str; 7] =
    ["versions", "prefix", "delimiter", "max-keys", "key-marker", "version-id-marker", "encoding-type"];
const GET: [&str; 8] = [
    "versionId",
    "partNumber",
    "response-content-type",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-cache-control",
    "response-expires",
];

/// The operation, by the first line that fits.
///
/// # Errors
///
/// [`Error::NotImplemented`], [`Error::MethodNotAllowed`], [`Error::InvalidArgument`].
pub(crate) fn of(
    method: &Method,
    has_bucket: bool,
    has_key: bool,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Operation, Error> {
    use Operation as Op;
    let has = |name: &str| query.has(name);
    let copies = headers.contains_key("x-amz-copy-source");
    let is = |wanted: Method| *method == wanted;
    let (operation, known): (Op, &[&str]) = match (has_bucket, has_key) {
        (false, _) if is(Method::GET) => {
            (Op::ListBuckets, &["max-buckets", "continuation-token", "prefix", "bucket-region"])
        }
        (true, false) => match () {
            () if is(Method::PUT) && has("acl") => (Op::PutAcl, &["acl"]),
            () if is(Method::PUT) => (Op::CreateBucket, &[]),
            () if is(Method::HEAD) => (Op::HeadBucket, &[]),
            () if is(Method::DELETE) => (Op::DeleteBucket, &[]),
            () if is(Method::GET) && has("uploads") => (Op::ListUploads, &LIST_UPLOADS),
            () if is(Method::GET) && has("versions") => (Op::ListVersions, &LIST_VERSIONS),
            () if is(Method::GET) && has("location") => (Op::GetLocation, &["location"]),
            () if is(Method::GET) && has("versioning") => (Op::GetVersioning, &["versioning"]),
            () if is(Method::GET) && has("acl") => (Op::GetAcl, &["acl"]),
            () if is(Method::GET) && has("tagging") => {
                (Op::GetAbsent("NoSuchTagSet", "The TagSet does not exist"), &["tagging"])
            }
            () if is(Method::GET) => match CONFIGURATIONS.iter().find(|(name, ..)| has(name)) {
                Some((name, code, text)) => (Op::GetAbsent(code, text), std::slice::from_ref(name)),
                None if query.get("list-type") == Some("2") => (Op::ListObjectsV2, &LIST),
                None => (Op::ListObjects, &LIST),
            },
            () if is(Method::POST) && has("delete") => (Op::DeleteObjects, &["delete"]),
            () if is(Method::POST) => (Op::PostObject, &[]),
            () => return Err(Error::MethodNotAllowed),
        },
        (true, true) => match () {
            () if is(Method::PUT) && has("uploadId") && has("partNumber") => {
                (if copies { Op::UploadPartCopy } else { Op::UploadPart }, &["uploadId", "partNumber"])
            }
            () if is(Method::PUT) && has("tagging") => (Op::PutTagging, &["tagging", "versionId"]),
            () if is(Method::PUT) && has("acl") => (Op::PutAcl, &["acl", "versionId"]),
            () if is(Method::PUT) && copies => (Op::CopyObject, &[]),
            () if is(Method::PUT) => (Op::PutObject, &[]),
            () if is(Method::POST) && has("uploads") => (Op::CreateUpload, &["uploads"]),
            () if is(Method::POST) && has("uploadId") => (Op::CompleteUpload, &["uploadId"]),
            () if is(Method::POST) => return Err(Error::NotImplemented),
            () if is(Method::DELETE) && has("uploadId") => (Op::AbortUpload, &["uploadId"]),
            () if is(Method::DELETE) && has("tagging") => (Op::DeleteTagging, &["tagging", "versionId"]),
            () if is(Method::DELETE) => (Op::DeleteObject, &["versionId"]),
            () if is(Method::GET) && has("uploadId") => {
                (Op::ListParts, &["uploadId", "max-parts", "part-number-marker", "encoding-type"])
            }
            () if is(Method::GET) && has("tagging") => (Op::GetTagging, &["tagging", "versionId"]),
            () if is(Method::GET) && has("acl") => (Op::GetAcl, &["acl", "versionId"]),
            () if is(Method::GET) && has("attributes") => (Op::GetAttributes, &["attributes", "versionId"]),
            () if is(Method::GET) => (Op::GetObject, &GET),
            () if is(Method::HEAD) => (Op::HeadObject, &GET),
            () => return Err(Error::MethodNotAllowed),
        },
        (false, _) => return Err(Error::MethodNotAllowed),
    };
    let reads = is(Method::GET) || is(Method::HEAD);
    for (name, has_value) in query.names() {
        // On the way to a reader's eyes all sorts of things are added to a URL.
        let is_known = known.contains(&name) || is_neutral(name);
        if !is_known && (!reads || !has_value || ABSENT.contains(&name)) {
            return Err(Error::NotImplemented);
        }
    }
    match query.get("versionId") {
        // There is one version of an object, and it has this name.
        None | Some("null" | "") => Ok(operation),
        Some(_) => Err(Error::NoSuchVersion),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn ask(method: Method, parts: (bool, bool), query: &str) -> Result<Operation, (u16, &'static str)> {
        of(&method, parts.0, parts.1, &Query::read(query), &HeaderMap::new()).map_err(|error| error.row())
    }

    const BUCKET: (bool, bool) = (true, false);
    const KEY: (bool, bool) = (true, true);

    #[test]
    fn operations() {
        use Operation as Op;
        let check = |method: Method, parts, query: &str, expected: Op| {
            assert_eq!(ask(method.clone(), parts, query), Ok(expected), "{method} {query}");
        };
        check(Method::GET, (false, false), "x-id=ListBuckets", Op::ListBuckets);
        check(Method::PUT, BUCKET, "", Op::CreateBucket);
        check(Method::GET, BUCKET, "", Op::ListObjects);
        check(Method::GET, BUCKET, "list-type=2&prefix=a", Op::ListObjectsV2);
        check(Method::GET, BUCKET, "uploads&prefix=", Op::ListUploads);
        check(Method::GET, BUCKET, "versions&key-marker=a", Op::ListVersions);
        check(Method::GET, BUCKET, "location", Op::GetLocation);
        check(Method::POST, BUCKET, "delete", Op::DeleteObjects);
        check(
            Method::PUT,
            KEY,
            "x-id=PutObject&X-Amz-Date=1&x-amz-checksum-crc32=AAAAAA%3D%3D",
            Op::PutObject,
        );
        check(Method::PUT, KEY, "partNumber=1&uploadId=a", Op::UploadPart);
        check(Method::PUT, KEY, "tagging", Op::PutTagging);
        check(Method::POST, KEY, "uploads=", Op::CreateUpload);
        check(Method::POST, KEY, "uploadId=a", Op::CompleteUpload);
        check(Method::DELETE, KEY, "uploadId=a", Op::AbortUpload);
        check(Method::GET, KEY, "uploadId=a", Op::ListParts);
        check(Method::GET, KEY, "response-content-type=text%2Fhtml&utm=1", Op::GetObject);
        check(Method::GET, KEY, "versionId=null", Op::GetObject);
        check(Method::GET, KEY, "attributes", Op::GetAttributes);
        check(Method::PUT, KEY, "acl", Op::PutAcl);
        check(Method::PUT, BUCKET, "acl", Op::PutAcl);
        check(Method::DELETE, KEY, "", Op::DeleteObject);
    }

    #[test]
    fn copies_are_told_by_a_header() {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-amz-copy-source"), HeaderValue::from_static("b/k"));
        let ask = |query: &str| of(&Method::PUT, true, true, &Query::read(query), &headers).ok();
        assert_eq!(ask(""), Some(Operation::CopyObject));
        assert_eq!(ask("partNumber=1&uploadId=a"), Some(Operation::UploadPartCopy));
    }

    #[test]
    fn what_is_not_known_has_no_effect() {
        let names = ABSENT.into_iter().chain([
            "attributes",
            "versions",
            "select",
            "select-type=2",
            "renameObject",
            "new=1",
        ]);
        for name in names {
            for (method, parts) in [
                (Method::PUT, KEY),
                (Method::DELETE, KEY),
                (Method::POST, KEY),
                (Method::PUT, BUCKET),
                (Method::DELETE, BUCKET),
                (Method::POST, BUCKET),
            ] {
                let asked = ask(method.clone(), parts, name);
                assert_eq!(asked, Err((501, "NotImplemented")), "{method} {name}");
            }
        }
        for name in ["torrent", "versions", "retention", "legal-hold"] {
            assert_eq!(ask(Method::GET, KEY, name), Err((501, "NotImplemented")), "{name}");
        }
        for (method, parts) in [(Method::DELETE, KEY), (Method::POST, KEY), (Method::DELETE, BUCKET)] {
            assert_eq!(ask(method.clone(), parts, "acl"), Err((501, "NotImplemented")), "{method}");
        }
        assert_eq!(ask(Method::GET, BUCKET, "metrics"), Err((501, "NotImplemented")));
        assert_eq!(ask(Method::PUT, KEY, "uploadId=a"), Err((501, "NotImplemented")));
        assert_eq!(ask(Method::PUT, KEY, "x-amz-copy-source=b%2Fk"), Err((501, "NotImplemented")));
        assert_eq!(ask(Method::DELETE, KEY, "versionId=x"), Err((404, "NoSuchVersion")));
        assert_eq!(ask(Method::PATCH, KEY, ""), Err((405, "MethodNotAllowed")));
        assert_eq!(ask(Method::PUT, (false, false), ""), Err((405, "MethodNotAllowed")));
    }
}
