//! Several requests in one body: `POST /batch`, an extension of ours.
//!
//! The path is reserved for one media type only, so that a relation called `batch` stays reachable
//! by every request that PostgREST would understand. An item may set the headers that say what
//! it wants and what it sends; all others are those of the request that carries it, because they
//! say who is calling and from where.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use bytes::Bytes;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{ApiRequest, Incoming, MediaType};
use crate::config::Config;
use crate::error::Error;

/// The media type of a batch and of its answer.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.basalt.batch+json";

/// Items of a batch at most.
const MAX_ITEMS: usize = 100;

/// The longest path of an item with its query string, in bytes: that of a request's own.
const LONGEST_PATH: usize = 65_534;

/// The headers that an item may set, in lower case.
const OWN_HEADERS: [&str; 7] =
    ["accept", "accept-profile", "content-profile", "content-type", "prefer", "range", "range-unit"];

/// Several requests of one caller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch<'a> {
    /// All are kept or none. Otherwise each stands for itself.
    #[serde(default = "yes")]
    pub atomic: bool,
    /// In the order in which they run.
    #[serde(borrow, rename = "requests", deserialize_with = "bounded")]
    pub items: Vec<Item<'a>>,
}

/// One request of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// True for a request that is a batch: this path with this type of body.
pub(crate) fn is_meant(method: &str, path: &str, headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    method == "POST" && path == "/batch" && essence.eq_ignore_ascii_case(MEDIA_TYPE)
}

fn yes() -> bool {
    true
}

impl<'a> Batch<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    ///
    /// It is not what it should be, or has too many items.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(body).map_err(|error| Error::Body(format!("Not a batch: {error}")))
    }
}

impl Item<'_> {
    /// Parses the item as a request of its own. `outer` are the headers of the batch.
    ///
    /// # Errors
    ///
    /// What is wrong with the item, or with the request that it is.
    pub fn parse(&self, outer: &HeaderMap, config: &Config) -> Result<ApiRequest, Error> {
        let target = &*self.path;
        if target.len() > LONGEST_PATH {
            return Err(Error::Body(format!("The path of an item is longer than {LONGEST_PATH} bytes")));
        }
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Path);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = self.headers(outer)?;
        let body = self.body(&headers)?;
        ApiRequest::parse(Incoming { method: &self.method, path, query, headers: &headers, body }, config)
    }

    fn headers(&self, outer: &HeaderMap) -> Result<HeaderMap, Error> {
        let mut headers = outer.clone();
        for name in OWN_HEADERS {
            headers.remove(name);
        }
        for name in [CONTENT_LENGTH, IF_NONE_MATCH] {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            let refused = || Error::Body(format!("Not a header of an item of a batch: {name}"));
            let own = OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
            let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| own);
            let value = HeaderValue::from_str(value).ok();
            let (header, value) = header.zip(value).ok_or_else(refused)?;
            headers.insert(header, value);
        }
        Ok(headers)
    }

    /// JSON stands for itself; a body of another type is a string that holds it.
    fn body(&self, headers: &HeaderMap) -> Result<Bytes, Error> {
        let Some(body) = self.body else { return Ok(Bytes::new()) };
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_none_or(|text| MediaType::parse(text) == MediaType::Json) {
            return Ok(Bytes::copy_from_slice(body.get().as_bytes()));
        }
        let text: String = serde_json::from_str(body.get())
            .map_err(|_| Error::Body("The body of an item that is not JSON must be a string".to_owned()))?;
        Ok(text.into())
    }
}

/// A list that is given up as soon as it is too long.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Item<'de>>, D::Error> {
    struct Bounded;

    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<Item<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ITEMS} requests")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MAX_ITEMS {
                    return Err(de::Error::invalid_length(MAX_ITEMS + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Bounded)
}

#[cfg(test)]
mod tests;
