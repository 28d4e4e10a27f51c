//! What `objects.metadata` says of the file. Applications may have written into it: nothing is taken
//! for granted.

use std::time::SystemTime;

use chrono::DateTime;
use object::Labels;
use serde_json::{Map, Value};

use crate::store::objects::ObjectRow;

/// Length, type, caching and identity of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileMetadata {
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) content_length: Option<u64>,
    pub(crate) mimetype: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) last_modified: Option<SystemTime>,
    pub(crate) robots_tag: Option<String>,
}

impl FileMetadata {
    /// Of a row.
    pub(crate) fn of(row: &ObjectRow) -> Self {
        let text = row.metadata.as_ref().map(|json| json.get()).unwrap_or_default();
        Self::read(&serde_json::from_str(text).unwrap_or_default())
    }

    /// Of a document.
    pub(crate) fn read(document: &Map<String, Value>) -> Self {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| match document.get(name) {
            Some(Value::String(digits)) => digits.parse().ok(),
            other => other.and_then(Value::as_u64),
        };
        let moment = text("lastModified").and_then(|moment| DateTime::parse_from_rfc3339(&moment).ok());
        Self {
            etag: text("eTag"),
            size: number("size"),
            content_length: number("contentLength"),
            mimetype: text("mimetype"),
            cache_control: text("cacheControl"),
            last_modified: moment.map(SystemTime::from),
            robots_tag: text("xRobotsTag"),
        }
    }

    /// What is kept with the file itself.
    pub(crate) fn labels(&self) -> Labels {
        let or = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        Labels {
            content_type: or(&self.mimetype, "application/octet-stream"),
            cache_control: or(&self.cache_control, "no-cache"),
        }
    }
}
