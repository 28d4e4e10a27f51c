//! `/admin/oauth/clients…`: applications, for administrators.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::admin::page::Page;
use super::super::call::{Body, Call};
use super::enabled;
use super::register::{self, BAD_BODY};
use crate::error::{Error, OAuthServer, OrInternal};
use crate::oauth_server::client::{Client, Credential, Registration, fresh_secret, hash};
use crate::oauth_server::registration::Change;
use crate::service::Context;
use crate::store::{oauth_clients, sessions};

const LOADING: &str = "Error loading OAuth client";

/// The circumstances of an administrator's call, if there is an OAuth server.
async fn admin(call: &Call) -> Result<&Context, Error> {
    call.admin().await?;
    enabled(call)
}

pub(crate) async fn list(call: Call, request: HttpRequest) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error listing OAuth clients";
    let ctx = admin(&call).await?;
    let page = Page::wide(&call)?;
    let mut session = ctx.service.pool.session().await.or_internal(FAILED)?;
    let total = oauth_clients::count(&mut session).await.or_internal(FAILED)?;
    let clients = oauth_clients::list(&mut session, page.limit(), page.offset()).await.or_internal(FAILED)?;
    let mut response = HttpResponse::Ok();
    page.announce(&request, total, &mut response);
    let clients: Vec<_> = clients.iter().map(|client| view(client, None)).collect();
    Ok(response.json(json!({ "clients": clients })))
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    register::register(admin(&call).await?, &body, Registration::Manual).await
}

pub(crate) async fn get(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    let ctx = admin(&call).await?;
    let mut session = ctx.service.pool.session().await.or_internal(LOADING)?;
    let client = oauth_clients::find(&mut session, client_id(&id)?).await.or_internal(LOADING)?;
    Ok(HttpResponse::Ok().json(view(&client.ok_or(OAuthServer::ClientNotFound)?, None)))
}

pub(crate) async fn put(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error updating OAuth client";
    let ctx = admin(&call).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let mut client = locked(&mut tx, &id).await?;
    let change: Change = body.json().map_err(|_| BAD_BODY)?;
    if change.is_empty() {
        return Err(Error::invalid("No fields provided for update"));
    }
    change.apply(&mut client, ctx.config().oauth_server.device_grant).map_err(Error::invalid)?;
    client.updated_at = ctx.now;
    oauth_clients::update(&mut tx, &client).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    note("oauth_client_updated", client.id);
    Ok(HttpResponse::Ok().json(view(&client, None)))
}

/// The client is gone, and with it the sessions it holds, which it could not refresh any more.
pub(crate) async fn delete(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error deleting OAuth client";
    let ctx = admin(&call).await?;
    let id = client_id(&id)?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    if !oauth_clients::delete(&mut tx, id, ctx.now).await.or_internal(FAILED)? {
        return Err(OAuthServer::ClientNotFound.into());
    }
    sessions::delete_of_client(&mut tx, id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    note("oauth_client_deleted", id);
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn regenerate_secret(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error regenerating OAuth client secret";
    let ctx = admin(&call).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let mut client = locked(&mut tx, &id).await?;
    let Credential::Secret { hash: kept, .. } = &mut client.credential else {
        return Err(Error::invalid("Cannot regenerate secret for public client"));
    };
    let secret = fresh_secret();
    *kept = hash(&secret);
    client.updated_at = ctx.now;
    oauth_clients::update(&mut tx, &client).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    note("oauth_client_secret_regenerated", client.id);
    Ok(HttpResponse::Ok().json(view(&client, Some(&secret))))
}

fn client_id(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::invalid("invalid client_id format"))
}

async fn locked(tx: &mut db::Session, id: &str) -> Result<Client, Error> {
    let client = oauth_clients::lock(tx, client_id(id)?).await.or_internal(LOADING)?;
    Ok(client.ok_or(OAuthServer::ClientNotFound)?)
}

/// A log line; upstream keeps no record of these.
pub(super) fn note(action: &'static str, client_id: Uuid) {
    tracing::info!(target: "auth::audit", action, %client_id, "audit");
}

/// The client as administrators and itself see it. Its secret is told once, when it is made.
pub(super) fn view(client: &Client, secret: Option<&str>) -> Value {
    let mut view = json!({
        "client_id": client.id,
        "client_type": client.credential.kind(),
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": client.credential.method().name(),
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "registration_type": client.registration.name(),
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    });
    let optional = [
        ("client_secret", secret),
        ("client_name", client.name.as_deref()),
        ("client_uri", client.uri.as_deref()),
        ("logo_uri", client.logo_uri.as_deref()),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            view[key] = json!(value);
        }
    }
    view
}
