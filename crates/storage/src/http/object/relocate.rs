//! `POST /object/move`

use std::rc::Rc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::copy;
use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, document};
use crate::transfer;

/// Moves an object.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Rc::new(Call::caller(&service, &request, "storage.object.move")?);
    let body = document::read(&service, &request, payload).await?;
    transfer::relocate(&call, copy::way(&body)?).await?;
    Ok(answer::message("Successfully moved"))
}
