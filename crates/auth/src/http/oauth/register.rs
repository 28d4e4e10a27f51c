//! `POST /oauth/clients/register`: an application registers itself; RFC 7591.

use actix_web::HttpResponse;

use super::super::call::{Body, Call};
use super::clients::{note, view};
use super::enabled;
use crate::error::{Error, OAuthServer, OrInternal};
use crate::oauth_server::client::Registration;
use crate::oauth_server::registration::Request;
use crate::service::Context;
use crate::store::oauth_clients;

pub(super) const BAD_BODY: OAuthServer = OAuthServer::BadBody("Invalid JSON body");

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = enabled(&call)?;
    ctx.settings.limits.oauth_registration.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    if !ctx.config().oauth_server.allow_dynamic_registration {
        return Err(OAuthServer::RegistrationDisabled.into());
    }
    register(ctx, &body, Registration::Dynamic).await
}

/// Registers the application that the body describes.
pub(super) async fn register(ctx: &Context, body: &Body, by: Registration) -> Result<HttpResponse, Error> {
    const FAILED: &str = "failed to create OAuth client";
    let request: Request = body.json().map_err(|_| BAD_BODY)?;
    let registered = request.register(by, ctx.config().oauth_server.device_grant, ctx.now);
    // Upstream repeats the status in the text.
    let (client, secret) = registered.map_err(|reason| Error::invalid(format!("400: {reason}")))?;
    let mut session = ctx.service.pool.session().await.or_internal(FAILED)?;
    oauth_clients::insert(&mut session, &client).await.or_internal(FAILED)?;
    note("oauth_client_created", client.id);
    Ok(HttpResponse::Created().json(view(&client, secret.as_deref())))
}
