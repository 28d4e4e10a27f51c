//! The two versions of the API, which differ in how they word errors.
//!
//! A client names a date; from 2024 on it gets the newer wording, and is told so, because it reads
//! the body by the header of the answer. Requests that take too long end here too.

use std::fmt;

use actix_web::Error as ActixError;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpResponse, ResponseError};
use chrono::NaiveDate;
use serde_json::Value;

use crate::error::{Error, External};
use crate::service::Service;

const HEADER: HeaderName = HeaderName::from_static("x-supabase-api-version");
const NEWER: &str = "2024-01-01";

/// Words our own errors in the version the client asked for, and gives up what takes too long.
pub(crate) async fn render(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let newer = asks_for_newer(&request);
    let id = kernel::http::request_id(request.request()).map(|id| id.to_string());
    let limit = request
        .app_data::<Data<Service>>()
        .map(|service| service.settings.load().config.max_request_duration);
    let answer = next.call(request);
    let response = match limit {
        None => answer.await?,
        Some(limit) => match tokio::time::timeout(limit.0, answer).await {
            Ok(response) => response?,
            Err(_) => return Err(Worded { error: Error::TimedOut, newer, id }.into()),
        },
    };
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    let answer = error.map(|error| {
        log(error, id.as_deref());
        (error.status_for(newer), error.body(newer, id))
    });
    let Some((status, body)) = answer else { return Ok(response.map_into_boxed_body()) };
    Ok(response.map_body(|head, _| {
        head.status = status;
        worded(head.headers_mut(), newer, &body)
    }))
}

/// The edge logs that a request failed; why is known only here.
fn log(error: &Error, request_id: Option<&str>) {
    match error {
        Error::Internal { text, source: Some(cause) } => tracing::error!(request_id, %cause, "{text}"),
        Error::Hook(failure) | Error::HookOfRefresh(failure) if !failure.is_refusal() => {
            let cause = std::error::Error::source(failure).map(ToString::to_string);
            tracing::warn!(request_id, cause, ?failure, "a hook failed");
        }
        Error::External(External::BadIdToken(cause)) => tracing::info!(request_id, %cause, "{error}"),
        _ => {}
    }
}

fn worded(headers: &mut HeaderMap, newer: bool, body: &Value) -> BoxBody {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if newer {
        headers.insert(HEADER, HeaderValue::from_static(NEWER));
    }
    BoxBody::new(body.to_string())
}

fn asks_for_newer(request: &ServiceRequest) -> bool {
    let date = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let date = date.and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok());
    date.is_some_and(|date| Some(date) >= NaiveDate::from_ymd_opt(2024, 1, 1))
}

/// An error that has no response to be worded in.
#[derive(Debug)]
struct Worded {
    error: Error,
    newer: bool,
    id: Option<String>,
}

impl fmt::Display for Worded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Worded {
    fn status_code(&self) -> StatusCode {
        self.error.status_code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let body = self.error.body(self.newer, self.id.clone());
        self.error.error_response().map_body(|head, _| worded(head.headers_mut(), self.newer, &body))
    }
}
