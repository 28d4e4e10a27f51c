//! `POST /token?grant_type=…`: one file per grant.

mod id_token;
mod password;
mod pkce;
mod refresh;
mod web3;

use actix_web::HttpResponse;

use super::answer;
use super::call::{Body, Call};
use crate::error::Error;

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let limit = || ctx.settings.limits.token.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests);
    let grant = match call.param("grant_type") {
        "password" => {
            limit()?;
            call.captcha(&body).await?;
            password::grant(ctx, &body).await?
        }
        // Counted by session, not by address: an office must not lock itself out.
        "refresh_token" => refresh::grant(ctx, &body).await?,
        "pkce" => {
            limit()?;
            pkce::grant(ctx, &body).await?
        }
        "id_token" => {
            limit()?;
            id_token::grant(&call, &body).await?
        }
        "web3" => {
            ctx.settings.limits.web3.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
            call.captcha(&body).await?;
            web3::grant(ctx, &body).await?
        }
        _ => return Err(Error::UnsupportedGrantType),
    };
    Ok(answer::session(&grant))
}
