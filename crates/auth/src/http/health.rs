//! `GET /health`: what answers here. Clients look at the name, which is upstream's.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use crate::error::{Error, OrInternal};
use crate::service::Service;

pub(crate) async fn get(service: Data<Service>) -> Result<HttpResponse, Error> {
    let mut connection = service.pool.session().await.or_internal("Database is not reachable")?;
    connection.batch("select 1").await.or_internal("Database is not reachable")?;
    Ok(HttpResponse::Ok().json(json!({
        "version": concat!("basalt-", env!("CARGO_PKG_VERSION")),
        "name": "GoTrue",
        "description": "GoTrue is a user registration and authentication API",
    })))
}
