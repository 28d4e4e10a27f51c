//! `GET /oauth/authorize`: an application sends a browser to ask for access.

use actix_web::HttpResponse;

use super::super::authorize::sent_to;
use super::super::call::Call;
use super::enabled;
use crate::error::Error;
use crate::oauth_server::authorize::{Request, begin};

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let ctx = enabled(&call)?;
    ctx.settings.limits.oauth_authorize.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request = Request {
        client_id: call.param("client_id"),
        redirect_uri: call.param("redirect_uri"),
        response_type: call.param("response_type"),
        scope: call.param("scope"),
        state: call.param("state"),
        resource: call.param("resource"),
        code_challenge: call.param("code_challenge"),
        code_challenge_method: call.param("code_challenge_method"),
        nonce: call.param("nonce"),
    };
    Ok(sent_to(begin(ctx, &request).await?))
}
