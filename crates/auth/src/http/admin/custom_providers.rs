//! `/admin/custom-providers`: providers of accounts that administrators define.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::super::call::{Body, Call};
use crate::error::{Error, OrInternal};
use crate::oauth::custom::definition::{self, Definition};
use crate::oauth::custom::{self, Custom, Kind, place};
use crate::seal;
use crate::service::Context;
use crate::store::custom_oauth_providers as store;

/// Lets administrators pass, if there are such providers at all; returns their role.
async fn admitted(call: &Call) -> Result<String, Error> {
    let role = call.admin().await?;
    match call.ctx.config().custom_oauth.enabled {
        true => Ok(role),
        false => Err(Error::FeatureDisabled("Custom OAuth providers are disabled")),
    }
}

pub(crate) async fn list(call: Call) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error retrieving custom OAuth providers";
    admitted(&call).await?;
    let kind = match call.param("type") {
        "" => None,
        kind @ ("oauth2" | "oidc") => Some(kind),
        _ => return Err(Error::invalid("type must be either 'oauth2' or 'oidc'")),
    };
    let mut connection = call.ctx.service.pool.session().await.or_internal(FAILED)?;
    let found = store::list(&mut connection, kind).await.or_internal(FAILED)?;
    let providers: Vec<_> = found.iter().map(Custom::view).collect();
    Ok(HttpResponse::Ok().json(json!({ "providers": providers })))
}

pub(crate) async fn get(call: Call, identifier: Path<String>) -> Result<HttpResponse, Error> {
    admitted(&call).await?;
    let custom = existing(&call.ctx, &identifier).await?;
    Ok(HttpResponse::Ok().json(custom.view()))
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error creating custom OAuth provider";
    let role = admitted(&call).await?;
    let ctx = &call.ctx;
    let definition: Definition = body.json()?;
    definition.check_new()?;
    {
        let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
        let most = u64::from(ctx.config().custom_oauth.max_providers);
        if most > 0 && store::count(&mut connection).await.or_internal(FAILED)? >= most {
            return Err(Error::TooManyCustomProviders);
        }
        if store::find(&mut connection, &definition.identifier).await.or_internal(FAILED)?.is_some() {
            return Err(Error::CustomProviderExists);
        }
    }
    check_places(ctx, &definition, &definition.provider_type).await?;
    let secret = definition.client_secret.clone();
    let mut custom = definition.create(ctx.now);
    look_up(ctx, &mut custom).await?;
    custom.client_secret = sealed(ctx, &custom, &secret)?;
    let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
    store::insert(&mut connection, &custom).await.map_err(|error| refused(FAILED, error))?;
    record(&role, "custom_provider_created", &custom.identifier);
    Ok(HttpResponse::Created().json(custom.view()))
}

pub(crate) async fn put(call: Call, identifier: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error updating custom OAuth provider";
    let role = admitted(&call).await?;
    let ctx = &call.ctx;
    definition::check_identifier(&identifier)?;
    let definition: Definition = body.json()?;
    definition.check()?;
    let mut custom = existing(ctx, &identifier).await?;
    check_places(ctx, &definition, custom.kind.name()).await?;
    let (secret, moves) = (definition.client_secret.clone(), definition.moves_issuer());
    definition.change(&mut custom, ctx.now);
    if moves {
        look_up(ctx, &mut custom).await?;
    }
    if !secret.is_empty() {
        custom.client_secret = sealed(ctx, &custom, &secret)?;
    }
    let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
    let updated = store::update(&mut connection, &custom).await;
    if !updated.map_err(|error| refused(FAILED, error))? {
        return Err(Error::CustomProviderNotFound);
    }
    record(&role, "custom_provider_updated", &custom.identifier);
    Ok(HttpResponse::Ok().json(custom.view()))
}

pub(crate) async fn delete(call: Call, identifier: Path<String>) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error deleting custom OAuth provider";
    let role = admitted(&call).await?;
    definition::check_identifier(&identifier)?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(FAILED)?;
    if !store::delete(&mut connection, &identifier).await.or_internal(FAILED)? {
        return Err(Error::CustomProviderNotFound);
    }
    record(&role, "custom_provider_deleted", &identifier);
    Ok(HttpResponse::NoContent().finish())
}

async fn existing(ctx: &Context, identifier: &str) -> Result<Custom, Error> {
    definition::check_identifier(identifier)?;
    custom::find(ctx, identifier).await?.ok_or(Error::CustomProviderNotFound)
}

async fn check_places(ctx: &Context, definition: &Definition, kind: &str) -> Result<(), Error> {
    for url in definition.urls(kind) {
        place::check(url, custom::reach(ctx.config())).await?;
    }
    Ok(())
}

/// Reads what the issuer publishes: a mistake shows now, not at somebody's sign-in.
async fn look_up(ctx: &Context, custom: &mut Custom) -> Result<(), Error> {
    let reach = custom::reach(ctx.config());
    let Some(issuer) = custom.issuer(reach) else { return Ok(()) };
    let service = &ctx.service;
    let found = service.issuers.read(&service.outbound, issuer, ctx.now).await;
    let (discovery, body) = found.map_err(|error| {
        Error::invalid(format!("OIDC discovery from {:?} failed: {error}", issuer.document()))
    })?;
    let needed = [
        ("authorization_endpoint", &discovery.authorization_endpoint),
        ("token_endpoint", &discovery.token_endpoint),
        ("jwks_uri", &discovery.jwks_uri),
    ];
    let missing: Vec<_> = needed.iter().filter(|(_, url)| url.is_empty()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let text = format!("OIDC discovery document is missing required fields: {}", missing.join(", "));
        return Err(Error::invalid(text));
    }
    if needed.iter().any(|(_, url)| !place::is_web(url, reach)) {
        return Err(Error::invalid("URL must use HTTPS"));
    }
    if let Kind::Oidc { document, .. } = &mut custom.kind {
        *document = Some(definition::known(&body));
    }
    Ok(())
}

fn sealed(ctx: &Context, custom: &Custom, secret: &str) -> Result<String, Error> {
    seal::write(&ctx.config().db_encryption, &custom.id.to_string(), secret)
        .or_internal("Error encrypting custom OAuth provider client secret")
}

/// The table has rules of its own.
fn refused(failed: &'static str, error: db::Error) -> Error {
    match store::broken_rule(&error) {
        Some("identifier_key") => Error::CustomProviderExists,
        Some(rule) => Error::invalid(definition::broken(rule)),
        None => Error::internal(failed, error),
    }
}

/// A line in the log. The table of the audit log is for what happens to accounts.
fn record(role: &str, action: &'static str, identifier: &str) {
    tracing::info!(target: "auth::audit", action, actor = role, identifier, "audit");
}
