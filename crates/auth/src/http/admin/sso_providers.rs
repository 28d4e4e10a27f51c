//! `/admin/sso/providers`: the identity providers of organisations.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::{Value, json};

use super::super::call::{Body, Call};
use crate::error::{Error, OrInternal};
use crate::saml::providers::{self, Wish};
use crate::store::sso_providers::{self, SsoProvider};

type Answer = Result<HttpResponse, Error>;

const LOADING: &str = "Database error finding SSO Identity Provider";

/// A provider as administrators see it. Lists leave out its metadata, which is long.
fn view(provider: &SsoProvider, whole: bool) -> Value {
    let mut saml = json!({ "entity_id": provider.entity_id, "attribute_mapping": provider.mapping });
    if whole {
        saml["metadata_xml"] = json!(provider.metadata_xml);
    }
    for (key, text) in
        [("metadata_url", &provider.metadata_url), ("name_id_format", &provider.name_id_format)]
    {
        if let Some(text) = text {
            saml[key] = json!(text);
        }
    }
    let domains: Vec<_> = provider.domains.iter().map(|domain| json!({ "domain": domain })).collect();
    let mut view = json!({
        "id": provider.id,
        "disabled": provider.disabled,
        "saml": saml,
        "domains": domains,
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
    });
    if let Some(id) = &provider.resource_id {
        view["resource_id"] = json!(id);
    }
    view
}

pub(crate) async fn list(call: Call) -> Answer {
    call.admin().await?;
    let param = |name| Some(call.param(name)).filter(|text: &&str| !text.is_empty() && !text.contains('\0'));
    let id = param("resource_id");
    let prefix = if id.is_none() { param("resource_id_prefix") } else { None };
    let mut connection = call.ctx.service.pool.session().await.or_internal(LOADING)?;
    let list = sso_providers::list(&mut connection, id, prefix).await.or_internal(LOADING)?;
    let items: Vec<_> = list.iter().map(|provider| view(provider, false)).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items })))
}

pub(crate) async fn post(call: Call, body: Body) -> Answer {
    let admin = call.admin().await?;
    let wish: Wish = body.json()?;
    let provider = providers::create(&call.ctx, wish).await?;
    tracing::info!(%admin, sso_provider_id = %provider.id, "an identity provider was set up");
    Ok(HttpResponse::Created().json(view(&provider, true)))
}

pub(crate) async fn get(call: Call, id: Path<String>) -> Answer {
    call.admin().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(LOADING)?;
    let provider = providers::find(&mut connection, &id).await?;
    Ok(HttpResponse::Ok().json(view(&provider, true)))
}

pub(crate) async fn put(call: Call, id: Path<String>, body: Body) -> Answer {
    let admin = call.admin().await?;
    let id = {
        let mut connection = call.ctx.service.pool.session().await.or_internal(LOADING)?;
        providers::find(&mut connection, &id).await?.id
    };
    let wish: Wish = body.json()?;
    let provider = providers::update(&call.ctx, id, wish).await?;
    tracing::info!(%admin, sso_provider_id = %provider.id, "an identity provider was changed");
    Ok(HttpResponse::Ok().json(view(&provider, true)))
}

pub(crate) async fn delete(call: Call, id: Path<String>) -> Answer {
    let admin = call.admin().await?;
    let provider = providers::delete(&call.ctx, &id).await?;
    tracing::info!(%admin, sso_provider_id = %provider.id, "an identity provider was taken away");
    Ok(HttpResponse::Ok().json(view(&provider, true)))
}
