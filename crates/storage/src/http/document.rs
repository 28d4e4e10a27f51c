//! JSON bodies: read within bounds, and their members checked and coerced as upstream's validator does
//! (AJV with `coerceTypes`), whose messages clients see.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Payload;
use bytes::BytesMut;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::service::Service;
use crate::upload::body::Body;

/// Bytes of a body.
const MOST: usize = 1024 * 1024;

/// An object of JSON, and where it stands in the body.
#[derive(Clone, Debug)]
pub(super) struct Document {
    at: String,
    fields: Map<String, Value>,
}

/// Reads the body.
///
/// # Errors
///
/// A body that is too long, or no JSON object.
pub(super) async fn read(
    service: &Service,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Document, Error> {
    let body = bytes(service, payload).await?;
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
    if body.is_empty() && is_json {
        return Err(Error::Json("Body cannot be empty when content-type is set to 'application/json'"));
    }
    let not_an_object = || Error::Schema("body must be object".to_owned());
    if body.is_empty() {
        return Err(not_an_object());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(fields)) => Ok(Document { at: "body".to_owned(), fields }),
        Ok(_) => Err(not_an_object()),
        Err(_) => Err(Error::Json("Body is not valid JSON but content-type is set to 'application/json'")),
    }
}

/// Reads a body of which nothing is wanted.
///
/// # Errors
///
/// A body that is too long.
pub(super) async fn ignore(service: &Service, payload: Payload) -> Result<(), Error> {
    bytes(service, payload).await.map(drop)
}

async fn bytes(service: &Service, payload: Payload) -> Result<BytesMut, Error> {
    let mut body = Body::new(payload, service.config().idle_timeout.0);
    let mut all = BytesMut::new();
    while let Some(bytes) = body.next().await? {
        if all.len() + bytes.len() > MOST {
            body.drain().await;
            return Err(Error::BodyTooLarge);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

impl Document {
    /// The parameters of a query, as a document.
    pub(super) fn of_query(request: &HttpRequest, names: &[&str]) -> Self {
        let value = |name: &&str| Some(((*name).to_owned(), Value::from(super::parameter(request, name)?)));
        Self { at: "querystring".to_owned(), fields: names.iter().filter_map(value).collect() }
    }

    /// Refuses a document without one of these.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), Error> {
        match names.iter().find(|name| !self.fields.contains_key(**name)) {
            Some(name) => Err(Error::Schema(format!("{} must have required property '{name}'", self.at))),
            None => Ok(()),
        }
    }

    /// How messages name the document.
    pub(super) fn place(&self) -> &str {
        &self.at
    }

    /// The member as it is.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// True if the document has none of these.
    pub(super) fn lacks(&self, names: &[&str]) -> bool {
        names.iter().all(|name| !self.fields.contains_key(*name))
    }

    /// How messages name a member.
    pub(super) fn name(&self, member: &str) -> String {
        format!("{}/{member}", self.at)
    }

    /// Refuses a member.
    pub(super) fn refuse<T>(&self, member: &str, text: &str) -> Result<T, Error> {
        Err(Error::Schema(format!("{} {text}", self.name(member))))
    }

    /// A text; numbers and flags are written out.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Null) => Ok(Some(String::new())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(_) => self.refuse(name, "must be string"),
        }
    }

    /// A whole number of at least `least`; digits in a text will do.
    pub(super) fn integer(&self, name: &str, least: i64) -> Result<Option<i64>, Error> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(value) => integer(value),
        };
        match number {
            None => self.refuse(name, "must be integer"),
            Some(number) if number < least => self.refuse(name, &format!("must be >= {least}")),
            number => Ok(number),
        }
    }

    /// A number; digits in a text will do.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
            Some(Value::Null) => Some(0.0),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite()) {
            None => self.refuse(name, "must be number"),
            number => Ok(number),
        }
    }

    /// A count: an integer that is not negative.
    pub(super) fn count(&self, name: &str, least: u32) -> Result<Option<u64>, Error> {
        Ok(self.integer(name, i64::from(least))?.and_then(|number| u64::try_from(number).ok()))
    }

    /// A flag; the words and the numbers for it will do.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::Null) => Ok(Some(false)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(Value::Number(number)) if number.as_i64() == Some(1) => Ok(Some(true)),
            Some(Value::Number(number)) if number.as_i64() == Some(0) => Ok(Some(false)),
            Some(_) => self.refuse(name, "must be boolean"),
        }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => self.refuse(name, "must be equal to one of the allowed values"),
        }
    }

    /// A list of texts; a single one is a list of one.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let text = |(n, value): (usize, &Value)| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => self.refuse(&format!("{name}/{n}"), "must be string"),
        };
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
            }
            Some(Value::Object(_)) => self.refuse(name, "must be array"),
            Some(single) => Ok(Some(vec![text((0, single))?])),
        }
    }

    /// A document within this one.
    pub(super) fn document(&self, name: &str) -> Result<Option<Self>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self { at: self.name(name), fields: fields.clone() })),
            Some(_) => self.refuse(name, "must be object"),
        }
    }
}

fn integer(value: &Value) -> Option<i64> {
    // What a float says beyond this is not what was written.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |float: f64| {
        #[allow(clippy::cast_possible_truncation)]
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    };
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse::<f64>().ok().and_then(whole),
        Value::Null => Some(0),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Array(_) | Value::Object(_) => None,
    }
}
