//! `/render/image/{authenticated,public,sign}/{bucket}/{name}`: an object as a picture of another size or
//! format.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPIRES, HeaderName,
    VARY,
};
use actix_web::web::{ServiceConfig, get, head};
use actix_web::{HttpRequest, HttpResponse};

use super::document::Document;
use super::object::download::{caching, describe, disposition, moment, set};
use super::object::{find, public as find_public};
use super::{Shared, names, parameter};
use crate::call::Call;
use crate::condition::{self, Facts};
use crate::error::Error;
use crate::file::FileMetadata;
use crate::render::options::{FOCUS, FORMATS, GRAVITIES, Options, Pull, RESIZES};
use crate::render::render;
use crate::service::Service;
use crate::signed::Scope;
use crate::store::objects::ObjectRow;
use crate::store::{buckets, objects};
use crate::upload::header;

const TRANSFORMATIONS: HeaderName = HeaderName::from_static("x-transformations");

const NAMES: [&str; 8] =
    ["height", "width", "resize", "format", "quality", "gravity", "x_offset", "y_offset"];

pub(super) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    if !service.config().images.enabled {
        return;
    }
    cfg.route("/render/image/authenticated/{bucket}/{name:.*}", get().to(authenticated))
        .route("/render/image/authenticated/{bucket}/{name:.*}", head().to(authenticated))
        .route("/render/image/public/{bucket}/{name:.*}", get().to(public))
        .route("/render/image/public/{bucket}/{name:.*}", head().to(public))
        .route("/render/image/sign/{bucket}/{name:.*}", get().to(signed))
        .route("/render/image/sign/{bucket}/{name:.*}", head().to(signed));
}

/// Whom the policies let, also in public buckets.
async fn authenticated(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.render.image_authenticated")?;
    let (bucket, name) = names(&request)?;
    let options = options(&Document::of_query(&request, &NAMES))?;
    service.allows(&name)?;
    let object = objects::find(&call.as_caller(), &bucket, &name).await.map_err(Error::database)?;
    send(&call, &request, &object.ok_or(Error::NoSuchKey)?, &options, None).await
}

/// Public buckets alone; nobody is asked who he is.
async fn public(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::open(&service.into_inner(), &request, "storage.render.image_public");
    let (bucket, name) = names(&request)?;
    let options = options(&Document::of_query(&request, &NAMES))?;
    let object = find_public(&call, &bucket, &name).await?;
    send(&call, &request, &object, &options, None).await
}

/// Whoever has the URL, and as it says.
async fn signed(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let (bucket, name) = names(&request)?;
    let token = parameter(&request, "token")
        .ok_or_else(|| Error::Schema("querystring must have required property 'token'".to_owned()))?;
    let grant = service.verify(&token, Scope::Download, &bucket, &name)?;
    let call = Call::open(&service, &request, "storage.render.image_sign");
    let object = find(&call, &bucket, &name).await?.object?;
    let options = Options::from_token(&grant.transformations);
    send(&call, &request, &object, &options, Some(grant.expires_at)).await
}

/// What a query or a body asks for (upstream's `transformationOptionsSchema`).
///
/// # Errors
///
/// What it must not ask for.
pub(super) fn options(body: &Document) -> Result<Options, Error> {
    let side = |name: &str| {
        let side = body.count(name, 0)?.filter(|side| *side > 0);
        Ok::<_, Error>(side.map(|side| u32::try_from(side).unwrap_or(u32::MAX)))
    };
    let (height, width) = (side("height")?, side("width")?);
    let resize = body.choice("resize", &RESIZES)?;
    let format = body.choice("format", &FORMATS)?;
    let quality = match body.integer("quality", 20)? {
        Some(quality) if quality > 100 => return body.refuse("quality", "must be <= 100"),
        quality => quality.and_then(|quality| u8::try_from(quality).ok()),
    };
    let gravities = GRAVITIES.map(|name| (name, name));
    let gravity = body.choice("gravity", &gravities)?;
    let (x, y) = (body.number("x_offset")?, body.number("y_offset")?);
    if gravity == Some(FOCUS) {
        let then = format!("{} must match \"then\" schema", body.place());
        for (name, offset) in [("x_offset", x), ("y_offset", y)] {
            let wrong = match offset {
                None => format!("{} must have required property '{name}'", body.place()),
                Some(offset) if offset < 0.0 => format!("{} must be >= 0", body.name(name)),
                Some(offset) if offset > 1.0 => format!("{} must be <= 1", body.name(name)),
                Some(_) => continue,
            };
            return Err(Error::Schema(format!("{wrong}, {then}")));
        }
    }
    let gravity = gravity.map(|name| Pull { name, x, y });
    Ok(Options { height, width, resize, quality, format, gravity })
}

async fn send(
    call: &Call,
    request: &HttpRequest,
    object: &ObjectRow,
    options: &Options,
    expires_at: Option<i64>,
) -> Result<HttpResponse, Error> {
    let service = &call.service;
    let file = FileMetadata::of(object);
    let etag = file.etag.clone().unwrap_or_default();
    let modified = file.last_modified.unwrap_or(SystemTime::UNIX_EPOCH);
    let facts = Facts { etag: &etag, modified, size: file.size.unwrap_or_default() };
    let is_unchanged = !etag.is_empty() && condition::is_unchanged(request.headers(), facts);
    let mut answer = HttpResponse::build(match is_unchanged {
        true => StatusCode::NOT_MODIFIED,
        false => StatusCode::OK,
    });
    describe(&mut answer, &file, &etag, modified);
    match expires_at.and_then(moment) {
        Some(moment) => set(&mut answer, EXPIRES, &httpdate::fmt_http_date(moment)),
        None => set(&mut answer, CACHE_CONTROL, &caching(request, &file, &etag)),
    }
    let told = options.told(&service.config().images);
    if !told.is_empty() {
        set(&mut answer, TRANSFORMATIONS, &told);
    }
    if options.format.is_none() {
        set(&mut answer, VARY, "Accept");
    }
    if let Some(name) = parameter(request, "download") {
        set(&mut answer, CONTENT_DISPOSITION, &disposition(&name));
    }
    if is_unchanged {
        return Ok(answer.finish());
    }
    let accept = header(request, ACCEPT).unwrap_or_default();
    let prefers_avif = options.format.is_none()
        && accept.contains("image/avif")
        && buckets::prefers_avif(&call.as_service(), &object.bucket_id).await.map_err(Error::database)?;
    let rendition = render(service, object, options, options.output(accept, prefers_avif)).await?;
    set(&mut answer, CONTENT_TYPE, rendition.media_type);
    // A drawing of somebody's runs no code where the API is at home.
    set(&mut answer, CONTENT_SECURITY_POLICY, "script-src 'none'");
    Ok(answer.body(rendition.bytes))
}
