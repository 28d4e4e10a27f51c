//! `/admin/sso/providers/{idp_id}/scim-tokens`: what an identity provider proves itself by. Ours: upstream has no
//! such endpoints.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::call::{Body, Call};
use crate::error::{Error, OrInternal};
use crate::oauth_server::client::{fresh_secret, hash};
use crate::saml::providers;
use crate::service::Context;
use crate::store::scim_tokens::{self, TokenRow};

/// Tokens of one identity provider at most: one in use, one that takes its place, and some.
const MOST: i64 = 10;

/// Longer names are refused, in bytes.
const LONGEST: usize = 100;

const FAILED: &str = "Database error loading SCIM token";

type Answer = Result<HttpResponse, Error>;

async fn admin(call: &Call) -> Result<&Context, Error> {
    call.admin().await?;
    match call.ctx.config().scim.enabled {
        true => Ok(&call.ctx),
        false => Err(Error::FeatureDisabled("SCIM server is disabled")),
    }
}

fn view(token: &TokenRow) -> Value {
    json!({ "id": token.id, "name": token.name, "created_at": token.created_at, "last_used_at": token.used_at })
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    name: String,
}

/// The token is told this once.
pub(crate) async fn post(call: Call, id: Path<String>, body: Body) -> Answer {
    let ctx = admin(&call).await?;
    let Request { name } = if body.is_empty() { Request::default() } else { body.json()? };
    if name.len() > LONGEST {
        return Err(Error::invalid(format!("name must not be longer than {LONGEST} bytes")));
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let provider = providers::find(&mut tx, &id).await?;
    let secret = format!("scim_{}", fresh_secret());
    let new = TokenRow { id: Uuid::new_v4(), name, created_at: ctx.now, used_at: None };
    let kept = scim_tokens::insert(&mut tx, provider.id, &hash(&secret), &new, MOST).await;
    if !kept.or_internal(FAILED)? {
        return Err(Error::Unprocessable(format!("An identity provider has at most {MOST} tokens").into()));
    }
    tx.commit().await.or_internal(FAILED)?;
    tracing::info!(sso_provider_id = %provider.id, token_id = %new.id, "a SCIM token was made");
    let mut view = view(&new);
    view["token"] = json!(secret);
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(view))
}

pub(crate) async fn list(call: Call, id: Path<String>) -> Answer {
    let ctx = admin(&call).await?;
    let mut session = ctx.service.pool.session().await.or_internal(FAILED)?;
    let provider = providers::find(&mut session, &id).await?;
    let tokens = scim_tokens::list(&mut session, provider.id).await.or_internal(FAILED)?;
    let tokens: Vec<_> = tokens.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({ "tokens": tokens })))
}

pub(crate) async fn delete(call: Call, ids: Path<(String, String)>) -> Answer {
    let ctx = admin(&call).await?;
    let id = Uuid::try_parse(&ids.1).map_err(|_| Error::NotAnId("token_id"))?;
    let mut session = ctx.service.pool.session().await.or_internal(FAILED)?;
    let provider = providers::find(&mut session, &ids.0).await?;
    if !scim_tokens::delete(&mut session, provider.id, id).await.or_internal(FAILED)? {
        return Err(Error::ScimTokenNotFound);
    }
    tracing::info!(sso_provider_id = %provider.id, token_id = %id, "a SCIM token was taken away");
    Ok(HttpResponse::NoContent().finish())
}
