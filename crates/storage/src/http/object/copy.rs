//! `POST /object/copy`

use std::rc::Rc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, document};
use crate::store::objects::ObjectRow;
use crate::transfer::{self, Changes, Way};
use crate::upload::{self, header};

/// The copy.
#[derive(Serialize)]
struct Copied {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Id")]
    id: String,
    #[serde(flatten)]
    row: ObjectRow,
}

/// Copies an object.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Rc::new(Call::caller(&service, &request, "storage.object.copy")?);
    let body = document::read(&service, &request, payload).await?;
    let way = way(&body)?;
    let metadata = body.document("metadata")?;
    let text = |name: &str| metadata.as_ref().map_or(Ok(None), |document| document.text(name));
    let changes = Changes {
        keeps_all: body.flag("copyMetadata")?.unwrap_or(true),
        cache_control: text("cacheControl")?,
        mimetype: text("mimetype")?,
        user_metadata: header(&request, "x-metadata").and_then(upload::decoded),
        upsert: header(&request, "x-upsert") == Some("true"),
        ..Changes::default()
    };
    let key = format!("{}/{}", way.to_bucket, way.to_name);
    let row = transfer::copy(&call, way, changes).await?;
    Ok(answer::json(&Copied { key, id: row.id.clone(), row }))
}

/// From where to where.
pub(super) fn way(body: &document::Document) -> Result<Way, Error> {
    body.require(&["sourceKey", "bucketId", "destinationKey"])?;
    let text = |name: &str| body.text(name).map(Option::unwrap_or_default);
    let bucket = text("bucketId")?;
    let to_bucket = body.text("destinationBucket")?.filter(|bucket| !bucket.is_empty());
    let to_bucket = to_bucket.unwrap_or_else(|| bucket.clone());
    Ok(Way { name: text("sourceKey")?, to_name: text("destinationKey")?, bucket, to_bucket })
}
