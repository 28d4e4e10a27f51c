//! `DELETE /object/{bucket}/{name}` and `DELETE /object/{bucket}`

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use crate::call::{Call, Work};
use crate::error::Error;
use crate::http::{Shared, answer, document, names, part};
use crate::removal;
use crate::store::{objects, removals};

/// One object. That it exists but is not for the caller to delete is told.
pub(in crate::http) async fn delete(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.delete")?;
    let (bucket, name) = names(&request)?;
    document::ignore(&service, payload).await?;
    let mut work = Work::begin(&service).await.map_err(Error::database)?;
    let as_service = call.as_service();
    let held = objects::lock(&mut work, &as_service, &bucket, &name).await.map_err(Error::database)?;
    let gone = held.ok_or(Error::NoSuchKey)?;
    let names = [name];
    let deleted =
        objects::delete(&mut work, &call.as_caller(), &bucket, &names).await.map_err(Error::database)?;
    if deleted.is_empty() {
        return Err(Error::AccessDenied("Access denied".into()));
    }
    let delay = service.removal_delay();
    removals::insert(&mut work, &as_service, &bucket, &[gone], &delay).await.map_err(Error::database)?;
    work.commit().await.map_err(Error::database)?;
    Ok(answer::message("Successfully deleted"))
}

/// Those of some objects that there are and that are for the caller to delete.
pub(in crate::http) async fn delete_many(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.delete_many")?;
    let bucket = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    body.require(&["prefixes"])?;
    let names = body.texts("prefixes")?.unwrap_or_default();
    if names.is_empty() {
        return Err(Error::Schema("body/prefixes must NOT have fewer than 1 items".to_owned()));
    }
    let all = removal::delete(&call, &bucket, &names).await?;
    Ok(answer::json(&all))
}
