//! What a request says of the content beside it, and how it is told again: headers, the caller's own
//! metadata, tags. It is kept in `objects.metadata`, beside upstream's keys.

use actix_web::HttpRequest;
use actix_web::HttpResponseBuilder;
use actix_web::http::header::{HeaderName, HeaderValue};
use object::Labels;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::s3::error::Error;
use crate::s3::query::Query;
use crate::s3::whole::{Agreed, Whole};
use crate::upload::header;

const META: &str = "x-amz-meta-";
/// Bytes of the caller's metadata.
const MOST_META: usize = 2048;

/// Headers that are kept and told again: the header, its key in `objects.metadata`, and the parameter
/// that stands in for it in one answer.
const KEPT: [(&str, &str, &str); 4] = [
    ("content-disposition", "contentDisposition", "response-content-disposition"),
    ("content-encoding", "contentEncoding", "response-content-encoding"),
    ("content-language", "contentLanguage", "response-content-language"),
    ("expires", "expires", "response-expires"),
];

/// Promises that this server cannot make: they are not passed over in silence.
const REFUSED: [&str; 5] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-website-redirect-location",
];

/// What is said of a content.
pub(super) struct Described {
    pub(super) labels: Labels,
    pub(super) user_metadata: Value,
    kept: Map<String, Value>,
}

impl Described {
    /// By the headers of a request, wherever it carries them.
    ///
    /// # Errors
    ///
    /// Too much metadata, tags that are none.
    pub(super) fn read(request: &HttpRequest, query: &Query) -> Result<Self, Error> {
        let headers = request.headers();
        let own = headers.keys().filter_map(|name| {
            let short = name.as_str().strip_prefix(META)?;
            let values: Vec<String> = headers.get_all(name).map(|value| text_of(value.as_bytes())).collect();
            Some((short, values.join(",")))
        });
        // Presigned URLs carry headers in their query.
        let carried =
            query.pairs().filter_map(|(name, value)| Some((name.strip_prefix(META)?, value.to_owned())));
        Self::of(|name| header(request, name).or_else(|| query.get(name)), own.chain(carried))
    }

    /// By headers, or the fields of a form that stand for them; and the caller's own metadata.
    ///
    /// # Errors
    ///
    /// As [`Described::read`].
    pub(super) fn of<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
        own: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<Self, Error> {
        let text = |name: &str| get(name).filter(|value| !value.is_empty());
        if REFUSED.iter().any(|name| text(name).is_some())
            || text("x-amz-server-side-encryption").is_some_and(|kind| kind != "AES256")
        {
            return Err(Error::NotImplemented);
        }
        let mut kept = Map::new();
        for (name, key, _) in KEPT {
            let value = match name {
                // How the body came, not what it is.
                "content-encoding" => text(name).map(without_chunks).filter(|value| !value.is_empty()),
                _ => text(name).map(str::to_owned),
            };
            if let Some(value) = value {
                kept.insert(key.to_owned(), value.into());
            }
        }
        if let Some(tags) = text("x-amz-tagging") {
            kept.insert("tags".to_owned(), tags_of(tags)?);
        }
        Ok(Self {
            labels: Labels {
                content_type: text("content-type").unwrap_or("application/octet-stream").to_owned(),
                cache_control: text("cache-control").unwrap_or("no-cache").to_owned(),
            },
            user_metadata: Value::Object(user_metadata(own)?),
            kept,
        })
    }

    /// What a copy has in place of its source's: what is kept of headers, and tags. Null takes something away.
    pub(super) fn others(&self, headers: bool, tags: bool) -> Map<String, Value> {
        let headers = KEPT.iter().map(|(_, key, _)| *key).filter(|_| headers);
        let keys = headers.chain(tags.then_some("tags"));
        keys.map(|key| (key.to_owned(), self.kept.get(key).cloned().unwrap_or_default())).collect()
    }

    /// What was noted when an upload in parts was begun.
    pub(super) fn restore(document: &Map<String, Value>, user_metadata: Value) -> Self {
        let file = crate::file::FileMetadata::read(document);
        let is_kept = |key: &str| key == "tags" || KEPT.iter().any(|(_, known, _)| *known == key);
        let kept = document.iter().filter(|(key, _)| is_kept(key));
        let kept = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        Self { labels: file.labels(), user_metadata, kept }
    }

    /// To be noted until the content is there.
    pub(super) fn note(&self) -> Map<String, Value> {
        let mut all = self.kept.clone();
        all.insert("mimetype".to_owned(), self.labels.content_type.clone().into());
        all.insert("cacheControl".to_owned(), self.labels.cache_control.clone().into());
        all
    }

    /// `objects.metadata` of a content that is there.
    pub(super) fn metadata(
        &self,
        etag: &str,
        size: u64,
        modified: std::time::SystemTime,
        whole: Option<&Whole>,
    ) -> Map<String, Value> {
        let mut all = self.kept.clone();
        let known = json!({
            "eTag": etag,
            "size": size,
            "mimetype": self.labels.content_type,
            "cacheControl": self.labels.cache_control,
            "lastModified": crate::upload::moment(modified),
            "contentLength": size,
            "httpStatusCode": 200,
        });
        if let Value::Object(known) = known {
            all.extend(known);
        }
        if let Some(whole) = whole {
            whole.keep(&mut all);
        }
        all
    }
}

/// `aws-chunked` is how a body travels.
fn without_chunks(value: &str) -> String {
    let codings =
        value.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    codings.collect::<Vec<_>>().join(", ")
}

fn user_metadata<'a>(own: impl Iterator<Item = (&'a str, String)>) -> Result<Map<String, Value>, Error> {
    let mut all = Map::new();
    let mut size = 0;
    for (name, value) in own {
        size += name.len() + value.len();
        all.insert(name.to_owned(), value.into());
    }
    if size > MOST_META { Err(Error::MetadataTooLarge) } else { Ok(all) }
}

/// Clients send UTF-8, or Latin-1 because that is what headers were once.
fn text_of(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).map(str::to_owned);
    text.unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Tags as a query: `a=1&b=2`.
pub(super) fn tags_of(text: &str) -> Result<Value, Error> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    tags(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
}

/// Tags within S3's bounds.
pub(super) fn tags(pairs: Vec<(String, String)>) -> Result<Value, Error> {
    if pairs.len() > 10 {
        return Err(Error::InvalidTag("Object tags cannot be greater than 10"));
    }
    let mut all = Map::new();
    for (name, value) in pairs {
        if name.is_empty() || name.chars().count() > 128 {
            return Err(Error::InvalidTag("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(Error::InvalidTag("The TagValue you have provided is invalid"));
        }
        if all.insert(name, value.into()).is_some() {
            return Err(Error::InvalidTag("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(Value::Object(all))
}

/// Tells what was kept, in headers of an answer.
pub(super) fn tell(
    answer: &mut HttpResponseBuilder,
    metadata: &Map<String, Value>,
    user_metadata: &Map<String, Value>,
    parameter: impl Fn(&str) -> Option<String>,
) {
    for (name, key, override_by) in KEPT {
        let kept = metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(value) = parameter(override_by).or(kept) {
            set(answer, name, value.as_bytes());
        }
    }
    let mut missing = 0;
    for (name, value) in user_metadata {
        let header = HeaderName::try_from(format!("{META}{name}"));
        match (header, value.as_str().map(|value| HeaderValue::from_bytes(value.as_bytes()))) {
            (Ok(name), Some(Ok(value))) => {
                answer.insert_header((name, value));
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        set(answer, "x-amz-missing-meta", missing.to_string().as_bytes());
    }
    if let Some(tags) = metadata.get("tags").and_then(Value::as_object).filter(|tags| !tags.is_empty()) {
        set(answer, "x-amz-tagging-count", tags.len().to_string().as_bytes());
    }
}

/// Tells the checksum of an object, or of one of its parts.
pub(super) fn tell_checksum(answer: &mut HttpResponseBuilder, agreed: Agreed, value: &str) {
    set(answer, agreed.algorithm.header(), value.as_bytes());
    set(answer, "x-amz-checksum-type", agreed.cover.name().as_bytes());
}

/// Sets a header, unless no header can say this.
pub(super) fn set(answer: &mut HttpResponseBuilder, name: &'static str, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        answer.insert_header((HeaderName::from_static(name), value));
    }
}
