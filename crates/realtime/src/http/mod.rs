//! URL → file. The gateway mounts this under its prefix.

mod broadcast;
mod caller;
mod event;
mod ping;
mod websocket;

use std::sync::Arc;

use actix_web::Resource;
use actix_web::web::{Data, PayloadConfig, ServiceConfig, get, post, resource, scope};

use crate::service::Service;

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

pub(crate) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    let routes = scope("")
        .app_data(Data::from(Arc::clone(service)))
        .app_data(PayloadConfig::new(MAX_BODY))
        .service(at("/websocket").route(get().to(websocket::get)))
        .service(at("/socket/websocket").route(get().to(websocket::get)))
        .service(at("/api/ping").route(get().to(ping::get)))
        .service(at("/api/broadcast").route(post().to(broadcast::post)))
        .service(at("/api/broadcast/{topic}/events/{event}").route(post().to(event::post)));
    cfg.service(routes);
}

fn at(path: &str) -> Resource {
    resource(path)
}
