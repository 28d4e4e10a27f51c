//! `POST /oauth/token`: an application gets tokens, for a code, for a device or for a refresh token.
//!
//! Only failures are counted against who calls: a server that signs in all its people from one
//! address must not be held up by its success.

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::super::answer;
use super::super::call::{Body, Call};
use super::enabled;
use crate::error::{Error, OAuthServer};
use crate::oauth_server::client::Method;
use crate::oauth_server::device;
use crate::oauth_server::token::{self, Brought, Exchanged, Presented};
use crate::service::Context;
use crate::session;

/// What an application sends, as a form or as JSON. What it leaves out is empty.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Params {
    grant_type: String,
    code: String,
    refresh_token: String,
    redirect_uri: String,
    client_id: String,
    client_secret: String,
    code_verifier: String,
    resource: String,
    device_code: String,
    pub(super) scope: String,
}

pub(crate) async fn post(call: Call, request: HttpRequest, body: Body) -> Result<HttpResponse, Error> {
    let ctx = enabled(&call)?;
    let params = read(&request, &body);
    let guesses = &ctx.settings.limits.oauth_guesses;
    guesses.look(&ctx.client(), ctx.now).map_err(|seconds| match &params {
        Some(params) if params.grant_type == "refresh_token" => Error::TooManyRefreshes(seconds),
        _ => Error::TooManyRequests(seconds),
    })?;
    let result = tokens(ctx, &request, params).await;
    if result.as_ref().is_err_and(is_guess) {
        // What remained may have gone to others at the same time: this one is answered all the same.
        let _ = guesses.take(ctx.client(), ctx.now);
    }
    let Exchanged { grant, id_token } = result?;
    let mut body = json!({
        "access_token": grant.access_token,
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "refresh_token": grant.refresh_token,
    });
    if let Some(id_token) = id_token {
        body["id_token"] = json!(id_token);
    }
    let mut response = HttpResponse::Ok();
    answer::note_session(&mut response, &grant);
    Ok(response.insert_header((CACHE_CONTROL, "no-store")).json(body))
}

/// Whether it was refused for what it brought. A device that asks whether it may come in guesses nothing.
fn is_guess(error: &Error) -> bool {
    let waits = |error: &str| matches!(error, "authorization_pending" | "slow_down");
    match error {
        Error::OAuthServer(OAuthServer::Token { error, .. }) => !waits(error),
        error => matches!(error, Error::OAuthServer(_)),
    }
}

/// The parameters; `None` if the body cannot be read.
pub(super) fn read(request: &HttpRequest, body: &Body) -> Option<Params> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.contains("application/json") {
        return body.json().ok();
    }
    let mut form = body.form();
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    Some(Params {
        grant_type: take("grant_type"),
        code: take("code"),
        refresh_token: take("refresh_token"),
        redirect_uri: take("redirect_uri"),
        client_id: take("client_id"),
        client_secret: take("client_secret"),
        code_verifier: take("code_verifier"),
        resource: take("resource"),
        device_code: take("device_code"),
        scope: take("scope"),
    })
}

async fn tokens(ctx: &Context, request: &HttpRequest, params: Option<Params>) -> Result<Exchanged, Error> {
    let presented = presented(request, params.as_ref())?;
    let client = match presented.client_id.is_empty() {
        true => None,
        false => Some(token::authenticate(ctx, &presented).await?),
    };
    let params = params.ok_or(OAuthServer::request("Invalid JSON body"))?;
    if params.grant_type.is_empty() {
        return Err(OAuthServer::request("grant_type is required").into());
    }
    let refused = |error, description: String| OAuthServer::Token { error, description: description.into() };
    let client =
        client.ok_or_else(|| refused("invalid_client", "Client authentication required".to_owned()))?;
    let kind = params.grant_type.as_str();
    if !client.may_use(kind) {
        let description = format!("Client is not allowed to use grant type: {kind}");
        return Err(refused("unsupported_grant_type", description).into());
    }
    match kind {
        "authorization_code" => {
            let brought = Brought {
                code: &params.code,
                redirect_uri: &params.redirect_uri,
                verifier: &params.code_verifier,
                resource: &params.resource,
            };
            token::exchange(ctx, &client, &brought).await
        }
        device::GRANT if ctx.config().oauth_server.device_grant => match params.device_code.as_str() {
            "" => Err(OAuthServer::request("device_code is required").into()),
            code => device::exchange(ctx, &client, code).await,
        },
        "refresh_token" if params.refresh_token.is_empty() => {
            Err(OAuthServer::request("refresh_token is required for refresh_token grant").into())
        }
        "refresh_token" => {
            let grant = session::refresh(ctx, &params.refresh_token, Some(client.id)).await?;
            Ok(Exchanged { grant, id_token: None })
        }
        _ => Err(refused("unsupported_grant_type", format!("Unsupported grant type: {kind}")).into()),
    }
}

/// Who asks: by the header if there is one, else by the body.
pub(super) fn presented(request: &HttpRequest, params: Option<&Params>) -> Result<Presented, OAuthServer> {
    let unreadable =
        |reason: &str| OAuthServer::ClientRefused(format!("Invalid client credentials: {reason}").into());
    if let Some(encoded) = basic(request) {
        let decoded = STANDARD.decode(encoded).map_err(|_| unreadable("invalid basic auth encoding"))?;
        let decoded = String::from_utf8_lossy(&decoded);
        let (id, secret) = decoded.split_once(':').ok_or_else(|| unreadable("invalid basic auth format"))?;
        let (client_id, secret) = (id.to_owned(), secret.to_owned());
        return Ok(Presented { method: Method::Basic, client_id, secret });
    }
    let params = params.ok_or_else(|| unreadable("failed to parse JSON body"))?;
    if params.client_id.is_empty() {
        return Err(unreadable("client_id is required"));
    }
    let method = if params.client_secret.is_empty() { Method::None } else { Method::Post };
    Ok(Presented { method, client_id: params.client_id.clone(), secret: params.client_secret.clone() })
}

/// The credentials of a header `Authorization: Basic …`.
fn basic(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| encoded.trim())
}
