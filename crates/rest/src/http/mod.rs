//! One catch-all below the mount point: which resource is meant, `request` decides.

mod batch;
mod compatibility;
mod data;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::Shared;

/// Mounts the service.
pub(crate) fn routes(shared: &Arc<Shared>, cfg: &mut ServiceConfig) {
    let shared = Arc::clone(shared);
    let handler = move |request: HttpRequest, payload: web::Payload| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, &request, payload).await }
    };
    // A scope of all that is left, not a pattern for it: nothing has to be matched.
    cfg.service(web::scope("").default_service(web::to(handler)));
}

async fn answer(shared: &Shared, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    data::answer(shared, request, path_below_mount(request), payload).await
}

/// The escaped path without the prefix that the gateway mounted us under.
fn path_below_mount(request: &HttpRequest) -> &str {
    let routed = request.match_info();
    let below = routed.unprocessed();
    let prefix = routed.as_str().strip_suffix(below).unwrap_or_default();
    match request.uri().path().strip_prefix(prefix) {
        Some("") | None => "/",
        Some(below) => below,
    }
}
