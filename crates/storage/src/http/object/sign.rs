//! `/object/sign/{bucket}`: URLs by which others may read objects, and reading by one.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::download;
use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, document, names, parameter, part, render};
use crate::render::options::Options;
use crate::signed::Scope;
use crate::store::objects;

/// URLs that one request may make.
const MOST: usize = 1000;

/// A URL for one object that the caller can read.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.sign")?;
    let (bucket, name) = names(&request)?;
    let body = document::read(&service, &request, payload).await?;
    body.require(&["expiresIn"])?;
    let seconds = body.integer("expiresIn", 1)?.unwrap_or_default();
    let config = service.config();
    let images = &config.images;
    let options = match body.document("transform")? {
        Some(transform) if images.enabled => render::options(&transform)?,
        Some(_) | None => Options::default(),
    };
    let is_rendition = !options.signed(images).is_empty();
    let token = match is_rendition {
        true => service.sign_rendition(&bucket, &name, &options, seconds)?,
        false => service.sign_download(&bucket, &name, seconds)?,
    };
    service.allows(&name)?;
    let found = objects::find(&call.as_caller(), &bucket, &name).await.map_err(Error::database)?;
    found.ok_or(Error::NoSuchKey)?;
    let url = match is_rendition {
        true => format!("/render/image/sign/{bucket}/{name}?token={token}"),
        false => url(&bucket, &name, &token),
    };
    Ok(answer::json(&json!({ "signedURL": url })))
}

/// URLs for several objects; those that the caller cannot read have none.
pub(in crate::http) async fn post_many(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.sign_many")?;
    let bucket = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    body.require(&["expiresIn", "paths"])?;
    let seconds = body.integer("expiresIn", 1)?.unwrap_or_default();
    let paths = body.texts("paths")?.unwrap_or_default();
    match paths.len() {
        0 => return Err(Error::Schema("body/paths must NOT have fewer than 1 items".to_owned())),
        n if n > MOST => {
            return Err(Error::Schema(format!("body/paths must NOT have more than {MOST} items")));
        }
        _ => {}
    }
    let visible = objects::visible(&call.as_caller(), &bucket, &paths).await.map_err(Error::database)?;
    let line = |path: &String| {
        if !visible.contains(path) {
            let error = "Either the object does not exist or you do not have access to it";
            return Ok(json!({ "error": error, "path": path, "signedURL": null }));
        }
        let token = service.sign_download(&bucket, path, seconds)?;
        Ok(json!({ "error": null, "path": path, "signedURL": url(&bucket, path, &token) }))
    };
    let lines: Vec<Value> = paths.iter().map(line).collect::<Result<_, Error>>()?;
    Ok(answer::json(&lines))
}

/// Not escaped, and relative to the service: clients put their own URL before it and escape the whole.
fn url(bucket: &str, name: &str, token: &str) -> String {
    format!("/object/sign/{bucket}/{name}?token={token}")
}

/// Reads an object by such a URL.
pub(in crate::http) async fn get(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let (bucket, name) = names(&request)?;
    let token = parameter(&request, "token")
        .ok_or_else(|| Error::Schema("querystring must have required property 'token'".to_owned()))?;
    let grant = service.verify(&token, Scope::Download, &bucket, &name)?;
    let call = Call::open(&service, &request, "storage.object.get_signed");
    // Whoever has a link learns nothing of the bucket.
    let found = super::find(&call, &bucket, &name).await.map_err(|error| match error {
        Error::NoSuchBucket => Error::NoSuchKey,
        error => error,
    })?;
    let object = found.object?;
    download::send(&service, &request, &object, Some(grant.expires_at)).await
}
