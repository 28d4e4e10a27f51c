//! `GET /api/ping`

use actix_web::HttpResponse;
use serde_json::json;

pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "message": "Success" }))
}
