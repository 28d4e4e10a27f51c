//! `POST /api/broadcast`: several messages at once, to whatever topics.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::caller::{caller, headers_as_json};
use super::event::accepted;
use crate::authz::{Extension, Question};
use crate::error::Error;
use crate::hub::Key;
use crate::protocol::outgoing::Shared;
use crate::service::Service;

/// A message that can be sent.
struct Message {
    key: Key,
    payload: Bytes,
}

pub(super) async fn post(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    service: Data<Service>,
) -> Result<HttpResponse, Error> {
    let caller = caller(&request, &service)?;
    // The only limit that reading it can meet.
    let body = body.map_err(|_| Error::TooLarge)?;
    let messages = read(&body, service.config().max_payload.get())?;
    let average = service.counters.events_per_second(service.now());
    if average > service.config().max_events_per_second {
        return Err(Error::TooManyMessages);
    }
    if average + messages.len() as u64 > service.config().max_events_per_second {
        return Err(Error::BatchTooLarge);
    }
    let headers = headers_as_json(request.headers(), "");
    let mut rights: HashMap<Arc<str>, bool> = HashMap::new();
    for message in messages {
        let name = &message.key.name;
        if message.key.private && !rights.contains_key(name) {
            let question =
                Question { fleet: &service.fleet, caller: &caller, topic: name, headers: &headers };
            let may = question.is_writable(Extension::Broadcast).await.unwrap_or_else(|error| {
                tracing::warn!(%error, error_code = "RlsPolicyError", "a message of a batch was not sent");
                false
            });
            rights.insert(Arc::clone(name), may);
        }
        // Upstream's rule: what may not be written is passed over in silence.
        if message.key.private && rights.get(name) != Some(&true) {
            continue;
        }
        service.metrics.broadcasts.add(message.payload.len());
        let shared = Shared::Event { event: "broadcast", payload: message.payload };
        let delivered = service.hub.broadcast(&message.key, &shared);
        service.counters.events.add(service.now(), 1 + delivered);
    }
    Ok(accepted(&request, &service))
}

fn read(body: &[u8], max_payload: usize) -> Result<Vec<Message>, Error> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Error::Unreadable)?;
    let list = match body.get("messages") {
        Some(Value::Array(list)) => list,
        None | Some(Value::Null) => return Err(Error::Invalid(json!({ "messages": [BLANK] }))),
        Some(_) => return Err(Error::Invalid(json!({ "messages": ["is invalid"] }))),
    };
    let read: Vec<_> = list.iter().map(|message| one(message, max_payload)).collect();
    if read.iter().any(Result::is_err) {
        let errors =
            read.iter().map(|message| Value::Object(message.as_ref().err().cloned().unwrap_or_default()));
        return Err(Error::Invalid(json!({ "messages": errors.collect::<Vec<_>>() })));
    }
    Ok(read.into_iter().flatten().collect())
}

const BLANK: &str = "can't be blank";

fn one(message: &Value, max_payload: usize) -> Result<Message, Map<String, Value>> {
    let mut errors = Map::new();
    let mut complain = |field: &str, text: &str| errors.insert(field.to_owned(), json!([text]));
    let mut text = |field: &str| match message.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
        None | Some(Value::Null | Value::String(_)) => {
            complain(field, BLANK);
            String::new()
        }
        Some(_) => {
            complain(field, "is invalid");
            String::new()
        }
    };
    let (topic, event) = (text("topic"), text("event"));
    let payload = match message.get("payload") {
        Some(payload @ Value::Object(_)) => payload.to_string(),
        None | Some(Value::Null) => {
            complain("payload", BLANK);
            String::new()
        }
        Some(_) => {
            complain("payload", "is invalid");
            String::new()
        }
    };
    if payload.len() > max_payload {
        complain("payload", "Payload size exceeds tenant limit");
    }
    let private = match message.get("private") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(private)) => *private,
        Some(_) => {
            complain("private", "is invalid");
            false
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let event = Value::from(event);
    let payload = format!(r#"{{"type":"broadcast","event":{event},"payload":{payload}}}"#);
    Ok(Message { key: Key { private, name: topic.into() }, payload: payload.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_own_errors() {
        let body = br#"{"messages":[{"topic":"a","event":"b","payload":{}},{"topic":"a"},
                        {"topic":1,"event":" ","payload":[],"private":"x"}]}"#;
        let expected = json!({ "messages": [
            {},
            { "event": [BLANK], "payload": [BLANK] },
            { "topic": ["is invalid"], "event": [BLANK], "payload": ["is invalid"], "private": ["is invalid"] },
        ] });
        assert_eq!(read(body, 100).err(), Some(Error::Invalid(expected)));
        let large = br#"{"messages":[{"topic":"a","event":"b","payload":{"a":"bcdef"}}]}"#;
        assert!(read(large, 100).is_ok());
        assert!(read(large, 10).is_err());
        assert_eq!(read(b"{}", 1).err(), Some(Error::Invalid(json!({ "messages": [BLANK] }))));
        assert_eq!(read(b"", 1).err(), Some(Error::Unreadable));
    }
}
