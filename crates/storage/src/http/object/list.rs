//! `POST /object/list/{bucket}`: what lies immediately in a folder.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use crate::call::Call;
use crate::error::Error;
use crate::http::{Shared, answer, document, part};
use crate::store::listing::{self, Column, Folder};

const DEFAULT_LIMIT: u64 = 100;

/// The list.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.list")?;
    let bucket = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    body.require(&["prefix"])?;
    let mut prefix = body.text("prefix")?.unwrap_or_default();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    let sort = body.document("sortBy")?;
    let columns = [
        ("name", Column::Name),
        ("updated_at", Column::UpdatedAt),
        ("created_at", Column::CreatedAt),
        ("last_accessed_at", Column::LastAccessedAt),
    ];
    let (column, descending) = match &sort {
        None => (Column::Name, false),
        Some(sort) => {
            sort.require(&["column"])?;
            let descending = sort.choice("order", &[("asc", false), ("desc", true)])?;
            (sort.choice("column", &columns)?.unwrap_or(Column::Name), descending.unwrap_or_default())
        }
    };
    let search = body.text("search")?.unwrap_or_default();
    let folder = Folder {
        bucket: &bucket,
        prefix: &prefix,
        search: &search,
        limit: body.count("limit", 1)?.unwrap_or(DEFAULT_LIMIT),
        offset: body.count("offset", 0)?.unwrap_or_default(),
        column,
        descending,
    };
    let lines = listing::folder(&call.as_caller(), &folder).await.map_err(Error::database)?;
    Ok(answer::json(&lines))
}
