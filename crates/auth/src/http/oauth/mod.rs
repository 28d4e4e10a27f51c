//! The OAuth server's URLs, with its part of `/user` and `/admin`.

mod authorizations;
mod authorize;
mod clients;
mod device;
mod grants;
mod register;
mod token;
mod userinfo;

use actix_web::web::{ServiceConfig, delete, get, post, put};

use super::at;
use super::call::Call;
use crate::error::Error;
use crate::service::Context;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(at("/oauth/authorize").route(get().to(authorize::get)))
        .service(at("/oauth/authorizations/{authorization_id}").route(get().to(authorizations::get)))
        .service(
            at("/oauth/authorizations/{authorization_id}/consent").route(post().to(authorizations::consent)),
        )
        .service(at("/oauth/device_authorization").route(post().to(device::begin)))
        .service(at("/oauth/device/{user_code}").route(get().to(device::get)))
        .service(at("/oauth/device/{user_code}/consent").route(post().to(device::consent)))
        .service(at("/oauth/token").route(post().to(token::post)))
        .service(at("/oauth/userinfo").route(get().to(userinfo::get)).route(post().to(userinfo::get)))
        .service(at("/oauth/clients/register").route(post().to(register::post)))
        .service(at("/user/oauth/grants").route(get().to(grants::get)).route(delete().to(grants::delete)))
        .service(at("/admin/oauth/clients").route(get().to(clients::list)).route(post().to(clients::post)))
        .service(
            at("/admin/oauth/clients/{client_id}")
                .route(get().to(clients::get))
                .route(put().to(clients::put))
                .route(delete().to(clients::delete)),
        )
        .service(
            at("/admin/oauth/clients/{client_id}/regenerate_secret")
                .route(post().to(clients::regenerate_secret)),
        );
}

/// The circumstances of the call, if there is an OAuth server.
pub(super) fn enabled(call: &Call) -> Result<&Context, Error> {
    match call.ctx.config().oauth_server.enabled {
        true => Ok(&call.ctx),
        false => Err(Error::FeatureDisabled("OAuth server is disabled")),
    }
}
