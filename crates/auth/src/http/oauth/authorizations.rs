//! `/oauth/authorizations/…`: for the page that asks someone for their consent.

use actix_web::http::header::ORIGIN;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::call::{Body, Call};
use super::enabled;
use crate::error::{Error, OAuthServer};
use crate::oauth_server::client::{Client, is_web_address};
use crate::oauth_server::consent::{self, Answer, Look};
use crate::service::Context;

pub(crate) async fn get(call: Call, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Error> {
    let ctx = enabled(&call)?;
    let user = call.user().await?.user;
    check_origin(ctx, &request)?;
    let body = match consent::look(ctx, &user, &id).await? {
        Look::Allowed(target) => json!({ "redirect_url": target }),
        Look::Ask { request, client } => {
            let mut person = json!({ "id": user.id });
            if !user.email.is_empty() {
                person["email"] = json!(user.email);
            }
            json!({
                "authorization_id": request.authorization_id,
                "redirect_uri": request.redirect_uri,
                "client": described(&client),
                "user": person,
                "scope": request.scope,
            })
        }
    };
    Ok(HttpResponse::Ok().json(body))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Consent {
    action: String,
}

pub(crate) async fn consent(
    call: Call,
    request: HttpRequest,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Error> {
    let ctx = enabled(&call)?;
    let user = call.user().await?.user;
    check_origin(ctx, &request)?;
    let answer = read_answer(&body)?;
    let target = consent::answer(ctx, &user, &id, answer).await?;
    Ok(HttpResponse::Ok().json(json!({ "redirect_url": target })))
}

/// What someone says.
pub(super) fn read_answer(body: &Body) -> Result<Answer, Error> {
    let consent: Consent = body.json().map_err(|_| OAuthServer::BadBody("invalid JSON body"))?;
    match consent.action.as_str() {
        "approve" => Ok(Answer::Approve),
        "deny" => Ok(Answer::Deny),
        _ => Err(Error::invalid("action must be 'approve' or 'deny'")),
    }
}

/// A browser says whose page asks: it must be one of ours. Who is no browser says nothing.
pub(super) fn check_origin(ctx: &Context, request: &HttpRequest) -> Result<(), Error> {
    let Some(origin) = request.headers().get(ORIGIN).filter(|origin| !origin.is_empty()) else {
        return Ok(());
    };
    match origin.to_str().is_ok_and(|origin| ctx.settings.targets.allows(origin)) {
        true => Ok(()),
        false => Err(Error::invalid("unauthorized request origin")),
    }
}

/// The application as people see it. Links that a browser would run are left out.
pub(super) fn described(client: &Client) -> Map<String, Value> {
    let mut described = Map::new();
    described.insert("id".to_owned(), json!(client.id));
    let link = |uri: &Option<String>| uri.clone().filter(|uri| is_web_address(uri));
    let shown =
        [("name", client.name.clone()), ("uri", link(&client.uri)), ("logo_uri", link(&client.logo_uri))];
    for (key, value) in shown {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            described.insert(key.to_owned(), json!(value));
        }
    }
    described
}
