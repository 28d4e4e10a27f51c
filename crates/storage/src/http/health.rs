//! `/status`, `/version`, `/health`

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{Shared, answer};
use crate::call::Call;
use crate::error::Error;
use crate::store::buckets;

/// Alive.
pub(super) async fn status() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// The version of this server.
pub(super) async fn version() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(env!("CARGO_PKG_VERSION"))
}

/// Whether the tables can be read; 200 in either case.
pub(super) async fn get(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, "storage.health")?;
    let healthy = buckets::find_rules(&call.as_service(), "").await.is_ok();
    Ok(answer::json(&json!({ "healthy": healthy })))
}
