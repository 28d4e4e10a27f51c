//! `/versions/{bucket}`: what was replaced or deleted and is kept; `/bucket/{bucket}/settings`: for how long,
//! and how much a bucket holds. Ours, beside the API of Supabase Storage.
//!
//! Who may see a version is asked of the policies on `storage.basalt_versions`; who may restore one, of those
//! on `storage.objects` too, as with an upload. There are none to begin with.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::web::{Payload, ServiceConfig, delete, get, post, put};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::document::{self, Document};
use super::{Shared, answer, part};
use crate::call::Call;
use crate::error::Error;
use crate::restore;
use crate::store::settings::{self, NewSettings};
use crate::store::versions::{self, Page};

const MOST: u64 = 1000;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/versions/{bucket}", get().to(list))
        .route("/versions/{bucket}/{id}", delete().to(remove))
        .route("/versions/{bucket}/{id}/restore", post().to(put_back))
        .route("/bucket/{bucket}/settings", get().to(read))
        .route("/bucket/{bucket}/settings", put().to(write));
}

/// Versions that the caller can see: `prefix`, `name`, `limit` (1000 at most), `offset`.
async fn list(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, "storage.version.list")?;
    let bucket = part(&request, "bucket")?;
    let query = Document::of_query(&request, &["prefix", "name", "limit", "offset"]);
    let page = Page {
        prefix: query.text("prefix")?.unwrap_or_default(),
        name: query.text("name")?,
        limit: query.count("limit", 1)?.unwrap_or(100).min(MOST),
        offset: query.count("offset", 0)?.unwrap_or_default(),
    };
    let rows = versions::list(&call.as_caller(), &bucket, &page).await.map_err(Error::database)?;
    Ok(answer::json(&rows))
}

/// Makes a version the object again. What is there is replaced, and kept in its turn.
async fn put_back(service: Shared, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Rc::new(Call::caller(&service, &request, "storage.version.restore")?);
    let (bucket, id) = (part(&request, "bucket")?, part(&request, "id")?);
    document::ignore(&service, payload).await?;
    let row = restore::restore(&call, &bucket, &id).await?;
    Ok(answer::json(&json!({ "Key": format!("{}/{}", row.bucket_id, row.name), "Id": row.id })))
}

/// Removes a version for good.
async fn remove(service: Shared, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.version.delete")?;
    let (bucket, id) = (part(&request, "bucket")?, part(&request, "id")?);
    document::ignore(&service, payload).await?;
    match versions::delete(&call.as_caller(), &bucket, &id).await.map_err(Error::database)? {
        true => Ok(answer::message("Successfully deleted")),
        false => Err(Error::NoSuchKey),
    }
}

/// The settings of a bucket, and what is in it.
async fn read(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let service: Arc<_> = service.into_inner();
    Call::service_only(&service, &request, "storage.bucket.settings")?;
    tell(&service, &part(&request, "bucket")?).await
}

/// What is not named is switched off: the settings are those of the body.
async fn write(service: Shared, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    Call::service_only(&service, &request, "storage.bucket.settings")?;
    let bucket = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    let number = |name: &str, least: u32| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => body.count(name, least),
    };
    let new = NewSettings {
        keep_versions_seconds: number("keep_versions_seconds", 1)?,
        quota_bytes: number("quota_bytes", 0)?,
        quota_objects: number("quota_objects", 0)?,
    };
    if !settings::set(&service.fleet, &bucket, new).await.map_err(Error::database)? {
        return Err(Error::NoSuchBucket);
    }
    tell(&service, &bucket).await
}

async fn tell(service: &crate::service::Service, bucket: &str) -> Result<HttpResponse, Error> {
    let found = settings::find(&service.fleet, bucket).await.map_err(Error::database)?;
    Ok(answer::json(&found.ok_or(Error::NoSuchBucket)?))
}
