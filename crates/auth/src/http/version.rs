//! The two versions of the API, which differ in how they word errors.
//!
//! A client names a date; from 2024 on it gets the newer wording, and is told so, because it reads
//! the body by the header of the answer.

use actix_web::Error as ActixError;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use chrono::NaiveDate;

use crate::error::Error;

const HEADER: HeaderName = HeaderName::from_static("x-supabase-api-version");
const NEWER: &str = "2024-01-01";

/// Words our own errors in the version the client asked for.
pub(crate) async fn render(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let newer = asks_for_newer(&request);
    let id = kernel::http::request_id(request.request()).map(|id| id.to_string());
    let response = next.call(request).await?;
    let body =
        response.response().error().and_then(|error| error.as_error::<Error>()).map(|e| e.body(newer, id));
    let Some(body) = body else { return Ok(response.map_into_boxed_body()) };
    // The error stays attached: the edge logs its cause.
    Ok(response.map_body(|head, _| {
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if newer {
            head.headers_mut().insert(HEADER, HeaderValue::from_static(NEWER));
        }
        BoxBody::new(body.to_string())
    }))
}

fn asks_for_newer(request: &ServiceRequest) -> bool {
    let date = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let date = date.and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok());
    date.is_some_and(|date| Some(date) >= NaiveDate::from_ymd_opt(2024, 1, 1))
}
