//! `POST /scrub` and `POST /sweep`: what an operator has done to the files. Service role alone; ours.

use actix_web::web::{Payload, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{Shared, answer, document};
use crate::call::Call;
use crate::error::Error;
use crate::{scrub, task};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/scrub", post().to(check)).route("/sweep", post().to(sweep));
}

/// Reads some files and compares them with what was recorded: `bucket`, `after` (the `next` of the answer
/// before). `next` is null when there are no more.
async fn check(service: Shared, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::service_only(&service, &request, "storage.scrub")?;
    let body = document::read(&service, &request, payload).await?;
    let (bucket, after) = (body.text("bucket")?, body.text("after")?);
    Ok(answer::json(&scrub::some(&call, bucket.as_deref(), after.as_deref()).await?))
}

/// Forgets versions whose time is over and removes files that are due, which a task does twice a minute.
async fn sweep(service: Shared, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    Call::service_only(&service, &request, "storage.sweep")?;
    document::ignore(&service, payload).await?;
    let swept = task::removals::once(&service).await?;
    Ok(answer::json(&json!({ "expired_versions": swept.versions, "removed_files": swept.files })))
}
