//! `GET`, `PUT`, `PATCH`, `DELETE /secrets/{name or id}`: what looks like a UUID is an id.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use uuid::Uuid;

use super::{Shared, admit, fleeting};
use crate::admin::{self, Change, Listed, Which};
use crate::error::Error;

#[derive(Serialize)]
struct Opened<'a> {
    #[serde(flatten)]
    listed: Listed,
    decrypted_secret: &'a str,
}

pub(super) async fn get(request: HttpRequest, service: Shared) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let text = name(&request)?;
    let (listed, content) = admin::open(&service.administrator, which(&text)).await?;
    let opened = Opened { listed, decrypted_secret: content.expose() };
    Ok(fleeting(HttpResponse::Ok()).json(opened))
}

pub(super) async fn put(
    request: HttpRequest,
    service: Shared,
    body: Json<Change>,
) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let text = name(&request)?;
    if matches!(which(&text), Which::Id(_)) {
        return Err(Error::Request("a secret is put by its name, and this looks like an id".to_owned()));
    }
    if body.name.as_ref().is_some_and(|name| *name != text) {
        return Err(Error::Request("the name in the body is another than the one in the path".to_owned()));
    }
    let (put, is_new) = admin::put(&service.administrator, &text, body.into_inner()).await?;
    let answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(fleeting(answer).json(put))
}

pub(super) async fn patch(
    request: HttpRequest,
    service: Shared,
    body: Json<Change>,
) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let text = name(&request)?;
    let changed = admin::change(&service.administrator, which(&text), &body).await?;
    Ok(fleeting(HttpResponse::Ok()).json(changed))
}

pub(super) async fn delete(request: HttpRequest, service: Shared) -> Result<HttpResponse, Error> {
    admit(&request)?;
    admin::delete(&service.administrator, which(&name(&request)?)).await?;
    Ok(fleeting(HttpResponse::NoContent()).finish())
}

/// The last part of the path, escapes resolved.
fn name(request: &HttpRequest) -> Result<String, Error> {
    let text = request.match_info().get("which").unwrap_or_default();
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(Error::Vault(admin::Error::Name)),
    }
}

fn which(text: &str) -> Which<'_> {
    match Uuid::try_parse(text) {
        Ok(_) => Which::Id(text),
        Err(_) => Which::Name(text),
    }
}
