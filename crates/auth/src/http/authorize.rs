//! `GET /authorize`: the browser goes to another provider.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

use super::call::Call;
use crate::error::Error;
use crate::oauth::begin::begin;

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let address = begin(&call.ctx, &call.query, None).await?;
    Ok(sent_to(address))
}

pub(crate) fn sent_to(address: String) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, address)).finish()
}
