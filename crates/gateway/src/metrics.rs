//! `GET /metrics`: figures of the services, as Prometheus reads them. For the service role.

use actix_web::HttpResponse;

use crate::server::Services;

/// The figures.
pub(crate) fn answer(services: &Services) -> HttpResponse {
    let realtime = services.realtime.as_ref().map(realtime::Realtime::metrics);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(realtime.unwrap_or_default())
}
