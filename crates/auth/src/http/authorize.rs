//! `GET /authorize`: the browser goes to another provider.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

use super::call::Call;
use crate::error::Error;
use crate::oauth::begin::begin;

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    ctx.settings.limits.authorize.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let address = begin(ctx, &call.query, None).await?;
    Ok(sent_to(address))
}

pub(crate) fn sent_to(address: String) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, address)).finish()
}
