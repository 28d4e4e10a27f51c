//! `/cdn`: asks caches to forget. No cache stands before this server that it knows of: what it serves is
//! always current, so there is nothing to do and the answer is success, after the same checks as upstream.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{Shared, answer};
use crate::call::Call;
use crate::error::Error;

/// All of it.
pub(super) async fn delete(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    forget(service, &request, "storage.cdn.purge_tenant_cache")
}

/// What is in a bucket.
pub(super) async fn delete_bucket(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    forget(service, &request, "storage.cdn.purge_bucket_cache")
}

/// One object.
pub(super) async fn delete_object(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    forget(service, &request, "storage.cdn.purge_object_cache")
}

fn forget(service: Shared, request: &HttpRequest, operation: &'static str) -> Result<HttpResponse, Error> {
    Call::service_only(&service.into_inner(), request, operation)?;
    Ok(answer::json(&json!({ "message": "success", "statusCode": "200" })))
}
