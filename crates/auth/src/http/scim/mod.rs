//! `/scim/v2/…`: identity providers keep the accounts of their people.

mod discovery;
mod users;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::{ServiceConfig, delete, get, patch, post, put, resource};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use crate::error::{Error, OrInternal};
use crate::oauth_server::client::hash;
use crate::scim::Refusal;
use crate::service::Context;
use crate::store::scim_tokens;

const MEDIA_TYPE: &str = "application/scim+json";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |path: &str| resource(format!("/scim/v2{path}")).default_service(actix_web::web::to(elsewhere));
    cfg.service(at("/ServiceProviderConfig").route(get().to(discovery::config)))
        .service(at("/ResourceTypes").route(get().to(discovery::resource_types)))
        .service(at("/ResourceTypes/{name}").route(get().to(discovery::resource_type)))
        .service(at("/Schemas").route(get().to(discovery::schemas)))
        .service(at("/Schemas/{name}").route(get().to(discovery::schema)))
        .service(at("/Users").route(get().to(users::list)).route(post().to(users::post)))
        .service(
            at("/Users/{id}")
                .route(get().to(users::get))
                .route(put().to(users::put))
                .route(patch().to(users::patch))
                .route(delete().to(users::delete)),
        )
        .service(resource("/scim/{tail:.*}").default_service(actix_web::web::to(elsewhere)));
}

async fn elsewhere(call: Call) -> Result<HttpResponse, Error> {
    enabled(&call)?;
    Ok(answer(Err(Refusal::Nowhere)))
}

/// The circumstances of the call, if there is SCIM.
fn enabled(call: &Call) -> Result<&Context, Error> {
    match call.ctx.config().scim.enabled {
        true => Ok(&call.ctx),
        false => Err(Error::FeatureDisabled("SCIM server is disabled")),
    }
}

/// Where this part of the API is.
fn base(ctx: &Context) -> String {
    format!("{}/scim/v2", ctx.external_url.trim_end_matches('/'))
}

/// The identity provider that asks.
async fn provider(ctx: &Context, request: &HttpRequest) -> Result<Uuid, Refusal> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::Unknown)?;
    let guesses = &ctx.settings.limits.oauth_guesses;
    guesses.look(&ctx.client(), ctx.now).map_err(Refusal::TooMany)?;
    let mut session = ctx.service.pool.session().await.or_internal("Database error finding token")?;
    let found = scim_tokens::find_provider(&mut session, &hash(token), ctx.now).await;
    match found.or_internal("Database error finding token")? {
        Some((id, false)) => Ok(id),
        Some((_, true)) => Err(Refusal::Disabled),
        None => {
            // What remained may have gone to others at the same time: this one is refused all the same.
            let _ = guesses.take(ctx.client(), ctx.now);
            Err(Refusal::Unknown)
        }
    }
}

/// A good answer.
struct Good {
    status: StatusCode,
    location: Option<String>,
    body: Option<Value>,
}

impl Good {
    fn of(body: Value) -> Self {
        Self { status: StatusCode::OK, location: None, body: Some(body) }
    }
}

/// The answer, good or not, in the standard's terms.
fn answer(result: Result<Good, Refusal>) -> HttpResponse {
    let refusal = match result {
        Ok(Good { status, location, body }) => {
            let mut response = HttpResponse::build(status);
            if let Some(location) = location {
                response.insert_header(("Location", location));
            }
            return match body {
                Some(body) => response.content_type(MEDIA_TYPE).body(body.to_string()),
                None => response.finish(),
            };
        }
        Err(refusal) => refusal,
    };
    let (status, kind) = refusal.place();
    if let Refusal::Failed(Error::Internal { text, source: Some(cause) }) = &refusal {
        tracing::error!(%cause, "{text}");
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or_default());
    match &refusal {
        Refusal::Unknown => {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        Refusal::TooMany(seconds) => {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        _ => {}
    }
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "detail": refusal.to_string(),
        "status": status.to_string(),
    });
    if let Some(kind) = kind {
        body["scimType"] = json!(kind);
    }
    response.content_type(MEDIA_TYPE).body(body.to_string())
}

/// A list, of which `start` is the number of the first.
fn listed(resources: Vec<Value>, total: i64, start: i64) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
