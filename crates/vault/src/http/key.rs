//! `GET /key`

use actix_web::{HttpRequest, HttpResponse};

use super::{Shared, admit, fleeting};
use crate::admin;
use crate::error::Error;

pub(super) async fn get(request: HttpRequest, service: Shared) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let state = admin::key_state(&service.administrator).await?;
    Ok(fleeting(HttpResponse::Ok()).json(state))
}
