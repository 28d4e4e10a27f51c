//! `POST /sso`: the browser is to go to the identity provider of an organisation.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::call::{Body, Call};
use crate::error::Error;
use crate::pkce::Challenge;
use crate::saml::begin::{Wanted, begin};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    provider_id: Uuid,
    domain: String,
    redirect_to: String,
    skip_http_redirect: bool,
    code_challenge: String,
    code_challenge_method: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let party = ctx.settings.party.as_ref().ok_or(Error::SamlDisabled)?;
    ctx.settings.limits.sso.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    let request: Request = body.json()?;
    let wanted = match (request.provider_id.is_nil(), request.domain.as_str()) {
        (true, "") => return Err(Error::invalid("A provider_id or domain needs to be provided")),
        (true, domain) => Wanted::Domain(domain),
        (false, "") => Wanted::Id(request.provider_id),
        (false, _) => return Err(Error::invalid("Only one of provider_id or domain supported")),
    };
    let challenge = Challenge::parse(&request.code_challenge_method, &request.code_challenge)?;
    let address = begin(ctx, party, wanted, &request.redirect_to, challenge).await?;
    Ok(if request.skip_http_redirect {
        HttpResponse::Ok().json(json!({ "url": address }))
    } else {
        HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
    })
}
