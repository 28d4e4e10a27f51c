//! `POST /oauth/device_authorization`, where a device begins to ask for access, and `/oauth/device/…`, for the page
//! that asks someone for their consent. Ours: upstream has no such endpoints.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::super::call::{Body, Call};
use super::authorizations::{check_origin, described, read_answer};
use super::enabled;
use super::token::{presented, read};
use crate::error::{Error, OAuthServer};
use crate::oauth_server::consent::Answer;
use crate::oauth_server::{device, token};
use crate::service::Context;

/// The circumstances of the call, if devices may ask.
fn devices(call: &Call) -> Result<&Context, Error> {
    let ctx = enabled(call)?;
    match ctx.config().oauth_server.device_grant {
        true => Ok(ctx),
        false => Err(Error::FeatureDisabled("Device authorization is disabled")),
    }
}

pub(crate) async fn begin(call: Call, request: HttpRequest, body: Body) -> Result<HttpResponse, Error> {
    let ctx = devices(&call)?;
    ctx.settings.limits.oauth_authorize.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let guesses = &ctx.settings.limits.oauth_guesses;
    guesses.look(&ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let params = read(&request, &body);
    let client = token::authenticate(ctx, &presented(&request, params.as_ref())?).await;
    if let Err(Error::OAuthServer(_)) = client {
        // What remained may have gone to others at the same time: this one is answered all the same.
        let _ = guesses.take(ctx.client(), ctx.now);
    }
    let scope = params.map(|params| params.scope).unwrap_or_default();
    let asked = device::begin(ctx, &client?, &scope).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "device_code": asked.device_code,
        "user_code": asked.user_code,
        "verification_uri": asked.verification_uri,
        "verification_uri_complete": asked.verification_uri_complete,
        "expires_in": asked.expires_in,
        "interval": asked.interval,
    })))
}

pub(crate) async fn get(call: Call, request: HttpRequest, code: Path<String>) -> Result<HttpResponse, Error> {
    let ctx = devices(&call)?;
    let user = call.user().await?.user;
    check_origin(ctx, &request)?;
    let (found, client) = counted(ctx, user.id, device::look(ctx, &code)).await?;
    let mut person = json!({ "id": user.id });
    if !user.email.is_empty() {
        person["email"] = json!(user.email);
    }
    Ok(HttpResponse::Ok().json(json!({
        "user_code": device::shown(&found.user_code),
        "client": described(&client),
        "user": person,
        "scope": found.scope,
        "expires_at": found.expires_at,
    })))
}

pub(crate) async fn consent(
    call: Call,
    request: HttpRequest,
    code: Path<String>,
    body: Body,
) -> Result<HttpResponse, Error> {
    let ctx = devices(&call)?;
    let user = call.user().await?.user;
    check_origin(ctx, &request)?;
    let answer = read_answer(&body)?;
    counted(ctx, user.id, device::answer(ctx, &user, &code, answer)).await?;
    let status = if answer == Answer::Approve { "approved" } else { "denied" };
    Ok(HttpResponse::Ok().json(json!({ "status": status })))
}

/// Codes are short: who has typed in too many that are none has to wait, as whom and from wherever they ask.
async fn counted<T>(
    ctx: &Context,
    user_id: Uuid,
    finding: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let limit = &ctx.settings.limits.user_codes;
    limit.look(&user_id, ctx.now).map_err(Error::TooManyRequests)?;
    let found = finding.await;
    if let Err(Error::OAuthServer(OAuthServer::AuthorizationNotFound)) = found {
        // What is left may be nothing: this one is refused either way.
        let _ = limit.take(user_id, ctx.now);
    }
    found
}
