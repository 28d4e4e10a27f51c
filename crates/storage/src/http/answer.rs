//! Answers that several endpoints give.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;

/// JSON with status 200.
pub(super) fn json(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json; charset=utf-8").json(body)
}

/// A sentence that tells of success.
pub(super) fn message(text: &str) -> HttpResponse {
    json(&json!({ "message": text }))
}

/// Anything that no line of the map fits.
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Error> {
    let path = request.uri().path();
    let path = path.strip_prefix("/storage/v1").unwrap_or(path);
    let route = format!("{}:{path}", request.method());
    let first = path.split('/').nth(1).unwrap_or_default();
    if matches!(first, "bucket" | "object" | "render" | "cdn") {
        return Err(Error::NoRoute(route));
    }
    let body =
        json!({ "message": format!("Route {route} not found"), "error": "Not Found", "statusCode": 404 });
    Ok(HttpResponse::NotFound().json(body))
}
