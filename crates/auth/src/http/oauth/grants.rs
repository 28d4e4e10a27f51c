//! `/user/oauth/grants`: what someone allowed applications, and taking it back.

use actix_web::HttpResponse;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::call::Call;
use super::authorizations::described;
use super::enabled;
use crate::error::Error;
use crate::oauth_server::{Scopes, grants};

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let user = call.user().await?.user;
    let grants = grants::list(enabled(&call)?, &user).await?;
    let grants: Vec<Value> = grants
        .iter()
        .map(|(client, consent)| {
            json!({
                "client": described(client),
                "scopes": Scopes::stored(&consent.scopes).names(),
                "granted_at": consent.granted_at,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(grants))
}

pub(crate) async fn delete(call: Call) -> Result<HttpResponse, Error> {
    let user = call.user().await?.user;
    let ctx = enabled(&call)?;
    let id = match call.param("client_id") {
        "" => return Err(Error::invalid("client_id query parameter is required")),
        text => Uuid::try_parse(text).map_err(|_| Error::invalid("invalid client_id format"))?,
    };
    grants::revoke(ctx, &user, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
