//! `GET /secrets`, `POST /secrets`

use actix_web::web::{Json, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{Shared, admit, fleeting};
use crate::admin::{self, Change, Page};
use crate::error::Error;

/// Secrets of one answer, at most and where nothing is said.
const MOST: i64 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<i64>,
    offset: Option<i64>,
}

pub(super) async fn get(request: HttpRequest, service: Shared) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let wanted = Query::<Wanted>::from_query(request.query_string())
        .map_err(|error| Error::Request(error.to_string()))?;
    let (limit, offset) = (wanted.limit.unwrap_or(MOST), wanted.offset.unwrap_or(0));
    if !(0..=MOST).contains(&limit) || offset < 0 {
        return Err(Error::Request(format!("limit is 0 to {MOST}, offset is not negative")));
    }
    let list = admin::page(&service.administrator, Page { limit, offset }).await?;
    Ok(fleeting(HttpResponse::Ok()).json(list))
}

pub(super) async fn post(
    request: HttpRequest,
    service: Shared,
    body: Json<Change>,
) -> Result<HttpResponse, Error> {
    admit(&request)?;
    let made = admin::create(&service.administrator, &body).await?;
    Ok(fleeting(HttpResponse::Created()).json(made))
}
