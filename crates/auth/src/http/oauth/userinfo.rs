//! `/oauth/userinfo`: what the holder of an access token may know of the account; OpenID Connect.

use actix_web::HttpResponse;

use super::super::call::Call;
use super::enabled;
use crate::error::Error;
use crate::oauth_server::{Scopes, claims};

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    enabled(&call)?;
    let signed_in = call.user_or_client().await?;
    let scopes = signed_in.session.and_then(|session| session.scopes).unwrap_or_default();
    Ok(HttpResponse::Ok().json(claims::user_info(&signed_in.user, &Scopes::stored(&scopes))))
}
