//! `/object/upload/sign/{bucket}/{name}`: a URL by which others may upload one object, and that upload.

use std::rc::Rc;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, document, names, parameter};
use crate::signed::Scope;
use crate::upload::{self, Upload, header};

/// Makes the URL, if the caller himself might upload.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.sign_upload_url")?;
    let (bucket, name) = names(&request)?;
    document::ignore(&service, payload).await?;
    let mut metadata = json!({});
    if let Some(content_type) = header(&request, CONTENT_TYPE) {
        metadata["mimetype"] = content_type.into();
    }
    if let Some(length) = header(&request, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
        metadata["contentLength"] = length.into();
    }
    let user_metadata = header(&request, "x-metadata").and_then(upload::decoded);
    let upsert = header(&request, "x-upsert") == Some("true");
    let owner = call.owner().map(str::to_owned);
    let upload = Upload { bucket, name, owner, upsert, as_service: false };
    upload::permit(&call.as_caller(), &upload, metadata.to_string(), user_metadata.as_ref()).await?;
    let Upload { bucket, name, owner, .. } = upload;
    let token = service.sign_upload(&bucket, &name, owner.as_deref(), upsert)?;
    let url = format!("/object/upload/sign/{bucket}/{name}?token={token}");
    Ok(answer::json(&json!({ "url": url, "token": token })))
}

/// Uploads by such a URL.
pub(in crate::http) async fn put(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let (bucket, name) = names(&request)?;
    let token = parameter(&request, "token")
        .ok_or_else(|| Error::Schema("querystring must have required property 'token'".to_owned()))?;
    let grant = service.verify(&token, Scope::Upload, &bucket, &name)?;
    let call = Rc::new(Call::open(&service, &request, "storage.object.upload_signed"));
    let key = format!("{bucket}/{name}");
    let upload = Upload { bucket, name, owner: grant.owner, upsert: grant.upsert, as_service: true };
    upload::receive(&call, &request, payload, upload).await?;
    Ok(answer::json(&json!({ "Key": key })))
}
