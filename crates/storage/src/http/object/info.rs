//! `HEAD /object/{bucket}/{name}` and `/object/info/{bucket}/{name}`: what is known of an object. Both
//! are told from the row; the disk is not asked.

use std::time::SystemTime;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use super::{download, readable};
use crate::call::Call;
use crate::error::Error;
use crate::file::FileMetadata;
use crate::http::{Shared, answer, names};
use crate::store::objects::ObjectRow;
use crate::upload::header;

const OPERATION: &str = "object.get_authenticated_info";
const HEAD_OPERATION: &str = "object.head_authenticated_info";
const PUBLIC_OPERATION: &str = "storage.object.info_public";

/// `GET` and `HEAD /object/info/{bucket}/{name}`
pub(in crate::http) async fn get(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::anyone(&service.into_inner(), &request, OPERATION);
    let (bucket, name) = names(&request)?;
    Ok(tell(&readable(&call, &bucket, &name).await?))
}

/// `GET` and `HEAD /object/info/authenticated/{bucket}/{name}`
pub(in crate::http) async fn authenticated(
    service: Shared,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, OPERATION)?;
    let (bucket, name) = names(&request)?;
    Ok(tell(&readable(&call, &bucket, &name).await?))
}

/// `GET` and `HEAD /object/info/public/{bucket}/{name}`
pub(in crate::http) async fn public(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    Ok(tell(&in_public(service, &request).await?))
}

/// `HEAD /object/{bucket}/{name}`
pub(in crate::http) async fn head(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::anyone(&service.into_inner(), &request, HEAD_OPERATION);
    let (bucket, name) = names(&request)?;
    Ok(headers(&request, &readable(&call, &bucket, &name).await?))
}

/// `HEAD /object/authenticated/{bucket}/{name}`
pub(in crate::http) async fn head_authenticated(
    service: Shared,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, HEAD_OPERATION)?;
    let (bucket, name) = names(&request)?;
    Ok(headers(&request, &readable(&call, &bucket, &name).await?))
}

/// `HEAD /object/public/{bucket}/{name}`
pub(in crate::http) async fn head_public(
    service: Shared,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let object = in_public(service, &request).await?;
    Ok(headers(&request, &object))
}

/// The object of a public bucket.
async fn in_public(service: Shared, request: &HttpRequest) -> Result<ObjectRow, Error> {
    let call = Call::open(&service.into_inner(), request, PUBLIC_OPERATION);
    let (bucket, name) = names(request)?;
    super::public(&call, &bucket, &name).await
}

fn tell(object: &ObjectRow) -> HttpResponse {
    let file = FileMetadata::of(object);
    let mut told = answer::json(&json!({
        "id": object.id,
        "name": object.name,
        "version": object.version,
        "bucket_id": object.bucket_id,
        "size": file.size,
        "content_type": file.mimetype,
        "cache_control": file.cache_control,
        "etag": file.etag,
        "metadata": object.user_metadata,
        "last_modified": object.updated_at,
        "created_at": object.created_at,
    }));
    let modified = file.last_modified.map(httpdate::fmt_http_date);
    for (name, value) in [(ETAG, file.etag), (LAST_MODIFIED, modified), (CACHE_CONTROL, file.cache_control)] {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            told.headers_mut().insert(name, value);
        }
    }
    told
}

/// The headers of the content without the content.
fn headers(request: &HttpRequest, object: &ObjectRow) -> HttpResponse {
    let file = FileMetadata::of(object);
    let etag = file.etag.clone().unwrap_or_default();
    let mut told = HttpResponse::Ok();
    download::describe(&mut told, &file, &etag, file.last_modified.unwrap_or(SystemTime::UNIX_EPOCH));
    let stored = file.labels().cache_control;
    let asked = header(request, IF_NONE_MATCH).filter(|asked| !asked.is_empty());
    let caching = match asked {
        Some(asked) if asked != etag => format!("{stored}, must-revalidate"),
        _ => stored,
    };
    download::set(&mut told, CACHE_CONTROL, &caching);
    let length = file.content_length.or(file.size).unwrap_or_default();
    match *request.method() {
        // A length without a body.
        Method::HEAD => told.no_chunking(length).streaming(stream::empty::<Result<Bytes, Error>>()),
        _ => told.finish(),
    }
}
