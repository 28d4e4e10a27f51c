//! `GET /object/{bucket}/{name}` and its variants: the content of an object, or a part of it.

use std::time::{Duration, SystemTime};

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    EXPIRES, HeaderName, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::TryStreamExt;
use object::Key;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::readable;
use crate::call::Call;
use crate::condition::{self, Facts, Wanted};
use crate::error::Error;
use crate::file::FileMetadata;
use crate::http::{Shared, names, parameter};
use crate::robots;
use crate::service::Service;
use crate::store::objects::ObjectRow;
use crate::upload::header;

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Anybody, if the bucket is public; otherwise whom the policies let.
pub(in crate::http) async fn get(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::anyone(&service, &request, "storage.object.get_authenticated");
    let (bucket, name) = names(&request)?;
    let object = readable(&call, &bucket, &name).await?;
    send(&service, &request, &object, None).await
}

/// As [`get`], for callers with a token.
pub(in crate::http) async fn authenticated(
    service: Shared,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.get_authenticated")?;
    let (bucket, name) = names(&request)?;
    let object = readable(&call, &bucket, &name).await?;
    send(&service, &request, &object, None).await
}

/// Public buckets alone; nobody is asked who he is.
pub(in crate::http) async fn public(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::open(&service, &request, "storage.object.get_public");
    let (bucket, name) = names(&request)?;
    let object = super::public(&call, &bucket, &name).await?;
    send(&service, &request, &object, None).await
}

/// The content of an object. What is served until a moment says so instead of how long to keep it.
pub(super) async fn send(
    service: &Service,
    request: &HttpRequest,
    object: &ObjectRow,
    expires_at: Option<i64>,
) -> Result<HttpResponse, Error> {
    let key =
        Key::new(&object.bucket_id, &object.name, object.version.as_deref()).ok_or(Error::NoSuchFile)?;
    let blob = service.disk.read_part(&key, condition::extent(request.headers())).await;
    let blob = blob.map_err(|error| Error::disk(error, &object.name))?;
    let file = FileMetadata::of(object);
    // A store elsewhere has a clock of its own.
    let modified = file.last_modified.unwrap_or_else(|| blob.modified());
    let etag = file.etag.clone().unwrap_or_else(|| tag(modified, blob.size()));
    let facts = Facts { etag: &etag, modified, size: blob.size() };
    let wanted = condition::wanted(request.headers(), facts)?;
    let mut answer = HttpResponse::build(match wanted {
        Wanted::Unchanged => StatusCode::NOT_MODIFIED,
        Wanted::Whole => StatusCode::OK,
        Wanted::Part { .. } => StatusCode::PARTIAL_CONTENT,
    });
    describe(&mut answer, &file, &etag, modified);
    match expires_at.and_then(moment) {
        Some(moment) => set(&mut answer, EXPIRES, &httpdate::fmt_http_date(moment)),
        None => set(&mut answer, CACHE_CONTROL, &caching(request, &file, &etag)),
    }
    if let Some(name) = parameter(request, "download") {
        set(&mut answer, CONTENT_DISPOSITION, &disposition(&name));
    }
    let (first, end) = match wanted {
        Wanted::Unchanged => return Ok(answer.finish()),
        Wanted::Whole => (0, blob.size()),
        Wanted::Part { first, last } => {
            set(&mut answer, CONTENT_RANGE, &format!("bytes {first}-{last}/{}", blob.size()));
            (first, last + 1)
        }
    };
    if let Some(bytes) = blob.small(first, end) {
        return Ok(answer.body(bytes));
    }
    let stream =
        blob.stream(first, end).inspect_err(|error| tracing::error!(%error, "a file could not be read"));
    Ok(answer.body(SizedStream::new(end - first, stream)))
}

/// Headers that answers with an object have in common.
pub(in crate::http) fn describe(
    answer: &mut HttpResponseBuilder,
    file: &FileMetadata,
    etag: &str,
    modified: SystemTime,
) {
    let labels = file.labels();
    // A page of somebody's must not run where the API is at home.
    let is_page = labels.content_type.contains("text/html");
    set(answer, CONTENT_TYPE, if is_page { "text/plain" } else { &labels.content_type });
    set(answer, ACCEPT_RANGES, "bytes");
    set(answer, ETAG, etag);
    set(answer, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    let robots_tag = file.robots_tag.as_deref().filter(|tag| robots::check(tag).is_ok());
    set(answer, ROBOTS_TAG, robots_tag.unwrap_or("none"));
    // Ranges and lengths are those of the file: nobody may compress it on the way.
    set(answer, CONTENT_ENCODING, "identity");
}

/// Sets a header, unless no header can say this.
pub(in crate::http) fn set(answer: &mut HttpResponseBuilder, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.insert_header((name, value));
    }
}

/// Whoever asks about an older state may show it while he fetches the new one.
pub(in crate::http) fn caching(request: &HttpRequest, file: &FileMetadata, etag: &str) -> String {
    let stored = file.labels().cache_control;
    match header(request, IF_NONE_MATCH).filter(|asked| !asked.is_empty()) {
        Some(asked) if asked != etag => format!("{stored}, stale-while-revalidate=30"),
        _ => stored,
    }
}

pub(in crate::http) fn disposition(name: &str) -> String {
    if name.is_empty() {
        return "attachment;".to_owned();
    }
    let name = utf8_percent_encode(name, COMPONENT);
    format!("attachment; filename={name}; filename*=UTF-8''{name}")
}

/// Of a file whose row tells none.
fn tag(modified: SystemTime, size: u64) -> String {
    let millis = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("\"{millis:x}-{size:x}\"")
}

pub(in crate::http) fn moment(seconds: i64) -> Option<SystemTime> {
    // Later years have five digits, which the header has no room for.
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).ok()?.min(LAST);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
