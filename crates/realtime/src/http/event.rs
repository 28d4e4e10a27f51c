//! `POST /api/broadcast/{topic}/events/{event}`: one message, JSON or bytes.

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;

use super::caller::{caller, headers_as_json, parameter};
use crate::authz::{Extension, Question};
use crate::error::Error;
use crate::hub::Key;
use crate::protocol::message::Content;
use crate::protocol::outgoing::Shared;
use crate::service::Service;

pub(super) async fn post(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    service: Data<Service>,
) -> Result<HttpResponse, Error> {
    let caller = caller(&request, &service)?;
    // The only limit that reading it can meet.
    let body = body.map_err(|_| Error::TooLarge)?;
    let content = content(&request, body)?;
    let (topic, event) = address(request.uri().path()).ok_or(Error::Unreadable)?;
    let private = parameter(&request, "private").is_some_and(|private| private == "true");
    if content.len() > service.config().max_payload.get() {
        return Err(Error::Unprocessable("Payload size exceeds tenant limit"));
    }
    if service.has_too_many_events() {
        return Err(Error::TooManyMessages);
    }
    let key = Key { private, name: topic.into() };
    if private {
        let headers = headers_as_json(request.headers(), "");
        let question =
            Question { fleet: &service.fleet, caller: &caller, topic: &key.name, headers: &headers };
        if !question.is_writable(Extension::Broadcast).await? {
            return Err(Error::Forbidden);
        }
    }
    service.metrics.broadcasts.add(content.len());
    let message = Shared::Broadcast { event: event.into(), metadata: Bytes::new(), content };
    let delivered = service.hub.broadcast(&key, &message);
    service.counters.events.add(service.now(), 1 + delivered);
    Ok(accepted(&request, &service))
}

fn content(request: &HttpRequest, body: Bytes) -> Result<Content, Error> {
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?"));
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match kind.as_deref() {
        None | Some("application/json") => {
            serde_json::from_slice::<IgnoredAny>(&body).map_err(|_| Error::Unreadable)?;
            Ok(Content::Json(body))
        }
        Some("application/octet-stream") => Ok(Content::Binary(body)),
        Some(_) => Err(Error::MediaType),
    }
}

/// Topic and event of a path. They are read from the path as it came, because both may contain escaped slashes.
fn address(path: &str) -> Option<(String, String)> {
    let (_, rest) = path.split_once("/api/broadcast/")?;
    let mut segments = rest.split('/');
    let (topic, events, event, end) = (segments.next()?, segments.next()?, segments.next()?, segments.next());
    let decoded = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    if events != "events" || end.is_some() {
        return None;
    }
    Some((decoded(topic)?, decoded(event)?))
}

/// The answer to what was accepted, with what is left of the limit.
pub(super) fn accepted(request: &HttpRequest, service: &Service) -> HttpResponse {
    let limit = service.config().max_events_per_second;
    let average = service.counters.events_per_second(service.now());
    let mut answer = HttpResponse::Accepted();
    for (name, value) in [
        ("x-rate-rolling", average),
        ("x-rate-limit", limit),
        ("x-rate-limit-remaining", limit.saturating_sub(average)),
    ] {
        answer.insert_header((HeaderName::from_static(name), HeaderValue::from(value)));
    }
    if let Some(id) = kernel::http::request_id(request) {
        answer.insert_header((HeaderName::from_static("x-request-id"), id.to_string()));
    }
    answer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_events_may_hold_anything() {
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(topic, event)| (topic.to_owned(), event.to_owned()));
            assert_eq!(address(path), expected, "{path}");
        };
        check("/realtime/v1/api/broadcast/room%3A1/events/e", Some(("room:1", "e")));
        check("/api/broadcast/a%2Fb%20%C3%BC/events/x%2F1", Some(("a/b ü", "x/1")));
        check("/api/broadcast/a%252Fb/events/e", Some(("a%2Fb", "e")));
        check("/api/broadcast//events/e", None);
        check("/api/broadcast/a/events/e/f", None);
        check("/api/broadcast/%ff/events/e", None);
    }
}
