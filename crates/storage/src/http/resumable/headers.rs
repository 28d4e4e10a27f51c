//! Headers of TUS: which are well-formed, and which every answer carries.

use std::time::SystemTime;

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, AsHeaderName,
    HeaderMap, HeaderName, HeaderValue,
};
use actix_web::{HttpRequest, HttpResponseBuilder};

use super::{CHUNK, Failure};
use crate::resumable::Metadata;
use crate::upload::header;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,termination,expiration";

/// What clients may send.
const ALLOWED: &str = "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
    Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, \
    X-HTTP-Method-Override, X-Requested-With, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, X-Upsert, \
    Upload-Expires, ApiKey, x-signature";

/// What scripts may read.
const EXPOSED: &str = "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
    Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, \
    X-HTTP-Method-Override, X-Requested-With, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, \
    Upload-Expires, Tus-Complete, sb-request-id";

/// Refuses a request that does not speak TUS 1.0.
pub(super) fn check(request: &HttpRequest) -> Result<(), Failure> {
    if header(request, TUS_RESUMABLE).is_none() {
        return Err(Failure::told(412, "Tus-Resumable Required\n"));
    }
    let is_number = |value: &str| !value.is_empty() && value.parse::<u64>().is_ok_and(|n| n <= MOST);
    let fits = |name: &str, value: &str| match name {
        "tus-resumable" => value == "1.0.0",
        "upload-length" | "upload-offset" => is_number(value) && !value.starts_with('+'),
        "upload-defer-length" => value == "1",
        "upload-metadata" => value.trim().is_empty() || Metadata::parse(value).is_some(),
        // Whatever clients add to a creation is passed over.
        _ => value == CHUNK,
    };
    let checked =
        ["tus-resumable", "upload-length", "upload-offset", "upload-defer-length", "upload-metadata"];
    let is_data = matches!(*request.method(), Method::PATCH | Method::PUT)
        || header(request, "x-http-method-override")
            .is_some_and(|method| method.eq_ignore_ascii_case("patch"));
    let checked = checked.into_iter().chain(is_data.then_some("content-type"));
    let wrong = |name: &&str| match request.headers().get(*name) {
        Some(value) => !value.to_str().is_ok_and(|value| fits(name, value)),
        None => false,
    };
    let wrong: Vec<&str> = checked.filter(wrong).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::told(400, format!("Invalid {}\n", wrong.join(" ")))),
    }
}

/// What JavaScript counts exactly, as the clients do.
const MOST: u64 = 9_007_199_254_740_991;

/// The number in a header that was checked.
pub(super) fn number(request: &HttpRequest, name: impl AsHeaderName) -> Option<u64> {
    header(request, name)?.parse().ok()
}

/// A moment as headers spell it.
pub(super) fn text(moment: SystemTime) -> String {
    httpdate::fmt_http_date(moment)
}

/// What the server can do.
pub(super) fn offer(answer: &mut HttpResponseBuilder, most: u64, request: &HttpRequest) {
    answer
        .insert_header(("tus-version", "1.0.0"))
        .insert_header(("tus-extension", EXTENSIONS))
        .insert_header(("tus-max-size", most))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "POST, HEAD, PATCH, OPTIONS, DELETE"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "86400"));
    let asked = header(request, ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| !asked.is_empty());
    let allowed = asked.map_or_else(|| ALLOWED.to_owned(), |asked| format!("{ALLOWED}, {asked}"));
    answer.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, allowed));
}

/// What every answer says.
pub(super) fn decorate(headers: &mut HeaderMap) {
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
