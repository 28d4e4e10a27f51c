//! `/bucket`

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::document::{self, Document};
use super::{Shared, answer, part};
use crate::bucket;
use crate::call::Call;
use crate::error::{Error, Existing};
use crate::store::buckets::{self, Changes, Column, NewBucket, Page};
use crate::store::objects;
use crate::{limit, path, upload};

/// `POST /bucket`
pub(super) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.bucket.create")?;
    let body = document::read(&service, &request, payload).await?;
    body.require(&["name"])?;
    let name = body.text("name")?.unwrap_or_default();
    let id = body.text("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
    let kinds = [("STANDARD", false), ("ANALYTICS", true)];
    let is_for_analytics = body.choice("type", &kinds)?.unwrap_or_default();
    let changes = changes(&body, service.config().file_size_limit.0)?;
    path::bucket(&name)?;
    path::bucket(&id)?;
    if is_for_analytics {
        return Err(Error::FeatureNotEnabled("iceberg_catalog"));
    }
    let public = changes.public.unwrap_or_default();
    let bucket = NewBucket { id: &id, name: &name, owner: call.owner(), public, changes };
    buckets::insert(&call.as_caller(), &bucket).await.map_err(Error::making(Existing::Bucket))?;
    Ok(answer::json(&json!({ "name": name })))
}

/// What a body says of a bucket.
fn changes(body: &Document, most: u64) -> Result<Changes, Error> {
    let public = body.flag("public")?;
    let file_size_limit = match body.get("file_size_limit") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(Some(size(body, value)?)),
    };
    if file_size_limit.flatten().is_some_and(|limit| limit > most) {
        return Err(Error::EntityTooLarge("object"));
    }
    let allowed_mime_types = match body.get("allowed_mime_types") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(_) => {
            let entries = body.texts("allowed_mime_types")?.unwrap_or_default();
            let entries: Vec<String> = entries.into_iter().filter(|entry| !entry.is_empty()).collect();
            entries.iter().try_for_each(|entry| limit::allowed_entry(entry))?;
            Some(Some(entries))
        }
    };
    Ok(Changes { public, file_size_limit, allowed_mime_types })
}

/// A number of bytes, or a text with a unit.
fn size(body: &Document, value: &Value) -> Result<u64, Error> {
    const NAME: &str = "file_size_limit";
    let text = match value {
        Value::String(text) if text.parse::<f64>().is_err() => text,
        Value::String(_) | Value::Number(_) => return Ok(body.count(NAME, 0)?.unwrap_or_default()),
        _ => return Err(Error::Schema(format!("{} must be integer", body.name(NAME)))),
    };
    limit::size(text).ok_or_else(|| {
        let at = body.name(NAME);
        let pattern = "^[0-9]+(?:\\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$";
        Error::Schema(format!(
            "{at} must be integer, {at} must match pattern \"{pattern}\", {at} must match a schema in anyOf"
        ))
    })
}

/// `GET /bucket`
pub(super) async fn list(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, "storage.bucket.list")?;
    let query = Document::of_query(&request, &["limit", "offset", "sortColumn", "sortOrder", "search"]);
    let columns = [
        ("id", Column::Id),
        ("name", Column::Name),
        ("created_at", Column::CreatedAt),
        ("updated_at", Column::UpdatedAt),
    ];
    let descending = query.choice("sortOrder", &[("asc", false), ("desc", true)])?.unwrap_or_default();
    let page = Page {
        limit: query.count("limit", 1)?,
        offset: query.count("offset", 0)?,
        sort: query.choice("sortColumn", &columns)?.map(|column| (column, descending)),
        search: query.text("search")?,
    };
    let mut rows = buckets::list(&call.as_caller(), &page).await.map_err(Error::database)?;
    if knows_no_types(&request) {
        rows.iter_mut().for_each(|row| row.kind = None);
    }
    Ok(answer::json(&rows))
}

/// Clients of old refuse members that they do not know (upstream's `isClientVersionBefore`).
fn knows_no_types(request: &HttpRequest) -> bool {
    let before = |header: &str, prefix: &str, version: [u32; 3]| {
        let text = upload::header(request, header)?.to_ascii_lowercase();
        let (_, behind) = text.split_once(prefix)?;
        let mut numbers = behind.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        Some([next()?, next()?, next()?] < version)
    };
    before("x-client-info", "supabase-py/", [2, 18, 0]) == Some(true)
        || before("user-agent", "supabase-py/storage3 v", [0, 12, 1]) == Some(true)
}

/// `GET /bucket/{bucket}`
pub(super) async fn get(service: Shared, request: HttpRequest) -> Result<HttpResponse, Error> {
    let call = Call::caller(&service.into_inner(), &request, "storage.bucket.get")?;
    let id = part(&request, "bucket")?;
    let row = buckets::find(&call.as_caller(), &id).await.map_err(Error::database)?;
    Ok(answer::json(&row.ok_or(Error::NoSuchBucket)?))
}

/// `PUT /bucket/{bucket}`
pub(super) async fn put(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.bucket.update")?;
    let id = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    const NAMES: [&str; 3] = ["public", "file_size_limit", "allowed_mime_types"];
    if body.lacks(&NAMES) {
        let missing = NAMES.map(|name| format!("body must have required property '{name}'"));
        return Err(Error::Schema(format!("{}, body must match a schema in anyOf", missing.join(", "))));
    }
    let changes = changes(&body, service.config().file_size_limit.0)?;
    path::bucket(&id)?;
    match buckets::update(&call.as_caller(), &id, &changes).await.map_err(Error::database)? {
        true => Ok(answer::message("Successfully updated")),
        false => Err(Error::NoSuchBucket),
    }
}

/// `DELETE /bucket/{bucket}`
pub(super) async fn delete(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.bucket.delete")?;
    let id = part(&request, "bucket")?;
    document::ignore(&service, payload).await?;
    bucket::delete(&call, &id).await?;
    Ok(answer::message("Successfully deleted"))
}

/// `POST /bucket/{bucket}/empty`
pub(super) async fn empty(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::service_only(&service, &request, "storage.bucket.empty")?;
    let id = part(&request, "bucket")?;
    document::ignore(&service, payload).await?;
    let acting = call.as_service();
    if buckets::find_rules(&acting, &id).await.map_err(Error::database)?.is_none() {
        return Err(Error::NoSuchBucket);
    }
    let most = service.config().empty_bucket_max;
    if objects::count(&acting, &id, most.saturating_add(1)).await.map_err(Error::database)? > most {
        return Err(Error::TooManyObjects);
    }
    // What comes while we are at it stays.
    let now = objects::now(&acting).await.map_err(Error::database)?;
    let delay = service.removal_delay();
    while objects::delete_some(&acting, &id, &now, &delay).await.map_err(Error::database)? {}
    Ok(answer::message("Empty bucket has been queued. Completion may take up to an hour."))
}
