//! `POST` and `PUT /object/{bucket}/{name}`

use std::rc::Rc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, names};
use crate::upload::{self, Upload, header};

/// A new object, or with `x-upsert` perhaps another version of one.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let upsert = header(&request, "x-upsert") == Some("true");
    write(service, request, payload, "storage.object.upload", upsert).await
}

/// An object, whether there is one or not.
pub(in crate::http) async fn put(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    write(service, request, payload, "storage.object.upload_update", true).await
}

async fn write(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
    operation: &'static str,
    upsert: bool,
) -> Result<HttpResponse, Error> {
    let call = Rc::new(Call::caller(&service.into_inner(), &request, operation)?);
    let (bucket, name) = names(&request)?;
    let owner = call.owner().map(str::to_owned);
    let key = format!("{bucket}/{name}");
    let upload = Upload { bucket, name, owner, upsert, as_service: false };
    let row = upload::receive(&call, &request, payload, upload).await?;
    Ok(answer::json(&json!({ "Key": key, "Id": row.id })))
}
