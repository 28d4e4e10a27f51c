//! The URL → file map. The first line that fits counts: fixed words come before names.

mod answer;
mod bucket;
mod cdn;
mod document;
mod health;
mod object;
mod render;
mod resumable;
mod s3;
mod upkeep;
mod versions;

use std::sync::Arc;

use actix_web::guard::{self, Guard};
use actix_web::web::{Data, ServiceConfig, delete, get, head, post, put};
use actix_web::{HttpRequest, Scope, web};
use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::service::Service;

pub(crate) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    use object::{copy, download, info, list, list_v2, relocate, remove, sign, upload, upload_sign};
    cfg.app_data(Data::from(Arc::clone(service)))
        .service(below(guard::Get()).configure(|cfg| {
            cfg.route("/sign/{bucket}/{name:.*}", get().to(sign::get))
                .route("/info/public/{bucket}/{name:.*}", get().to(info::public))
                .route("/info/authenticated/{bucket}/{name:.*}", get().to(info::authenticated))
                .route("/info/{bucket}/{name:.*}", get().to(info::get))
                .route("/public/{bucket}/{name:.*}", get().to(download::public))
                .route("/authenticated/{bucket}/{name:.*}", get().to(download::authenticated))
                .route("/{bucket}/{name:.*}", get().to(download::get));
        }))
        .service(below(guard::Head()).configure(|cfg| {
            cfg.route("/info/public/{bucket}/{name:.*}", head().to(info::public))
                .route("/info/authenticated/{bucket}/{name:.*}", head().to(info::authenticated))
                .route("/info/{bucket}/{name:.*}", head().to(info::get))
                .route("/public/{bucket}/{name:.*}", head().to(info::head_public))
                .route("/authenticated/{bucket}/{name:.*}", head().to(info::head_authenticated))
                .route("/{bucket}/{name:.*}", head().to(info::head));
        }))
        .service(below(guard::Post()).configure(|cfg| {
            cfg.route("/copy", post().to(copy::post))
                .route("/move", post().to(relocate::post))
                .route("/list/{bucket}", post().to(list::post))
                .route("/list-v2/{bucket}", post().to(list_v2::post))
                .route("/sign/{bucket}", post().to(sign::post_many))
                .route("/sign/{bucket}/{name:.*}", post().to(sign::post))
                .route("/upload/sign/{bucket}/{name:.*}", post().to(upload_sign::post))
                .route("/{bucket}/{name:.*}", post().to(upload::post));
        }))
        .service(below(guard::Put()).configure(|cfg| {
            cfg.route("/upload/sign/{bucket}/{name:.*}", put().to(upload_sign::put))
                .route("/{bucket}/{name:.*}", put().to(upload::put));
        }))
        .service(below(guard::Delete()).configure(|cfg| {
            cfg.route("/{bucket}/{name:.*}", delete().to(remove::delete))
                .route("/{bucket}", delete().to(remove::delete_many));
        }))
        .route("/status", get().to(health::status))
        .route("/version", get().to(health::version))
        .route("/health", get().to(health::get))
        .route("/bucket", get().to(bucket::list))
        .route("/bucket/", get().to(bucket::list))
        .route("/bucket", post().to(bucket::post))
        .route("/bucket/", post().to(bucket::post))
        .route("/bucket/{bucket}", get().to(bucket::get))
        .route("/bucket/{bucket}", put().to(bucket::put))
        .route("/bucket/{bucket}", delete().to(bucket::delete))
        .route("/bucket/{bucket}/empty", post().to(bucket::empty))
        .route("/cdn", delete().to(cdn::delete))
        .route("/cdn/", delete().to(cdn::delete))
        .route("/cdn/{bucket}", delete().to(cdn::delete_bucket))
        .route("/cdn/{bucket}/{name:.+}", delete().to(cdn::delete_object))
        .route("/upload/resumable", web::to(resumable::base))
        .route("/upload/resumable/", web::to(resumable::base))
        .route("/upload/resumable/sign", web::to(resumable::signed_base))
        .route("/upload/resumable/sign/", web::to(resumable::signed_base))
        .route("/upload/resumable/sign/{id}", web::to(resumable::signed))
        .route("/upload/resumable/{id}", web::to(resumable::one))
        .route("/s3", web::to(s3::serve))
        .route("/s3/{path:.*}", web::to(s3::serve))
        .configure(|cfg| render::routes(service, cfg))
        .configure(versions::routes)
        .configure(upkeep::routes)
        .default_service(web::to(answer::no_route));
}

/// Objects by one method: every line of the map that is read costs time, and these are asked for most.
fn below(method: impl Guard + 'static) -> Scope {
    web::scope("/object").guard(method).default_service(web::to(answer::no_route))
}

/// What handlers need of the service.
type Shared = Data<Service>;

/// A part of the path, escapes resolved.
fn part(request: &HttpRequest, name: &str) -> Result<String, Error> {
    let text = request.match_info().get(name).unwrap_or_default();
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Error::InvalidKey(text.to_owned())),
    }
}

/// The bucket and the name of an object in the path.
fn names(request: &HttpRequest) -> Result<(String, String), Error> {
    Ok((part(request, "bucket")?, part(request, "name")?))
}

/// The value of a parameter of the query, escapes resolved; the first if there are several.
fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let pairs = request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    pairs.into_iter().find(|(key, _)| decoded(key) == name).map(|(_, value)| decoded(value))
}
