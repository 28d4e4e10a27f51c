//! `GetObjectAttributes`: what is known of an object, without its content.

use actix_web::HttpResponse;
use actix_web::http::header::LAST_MODIFIED;
use serde_json::{Map, Value};

use super::get::{Known, find};
use super::{Asked, document};
use crate::s3::error::Error;
use crate::s3::multipart;
use crate::s3::whole::Whole;
use crate::s3::xml::Writer;

/// What can be asked for.
const NAMES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Parts of an answer at most.
const MOST: u64 = 1000;

pub(super) async fn get(asked: &Asked) -> Result<HttpResponse, Error> {
    let headers = asked.request.headers().get_all("x-amz-object-attributes");
    let texts = headers.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let names: Vec<&str> = texts.map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names.iter().any(|name| !NAMES.contains(name)) {
        return Err(Error::InvalidArgument("Invalid attribute name specified.".into()));
    }
    let number = |name: &str| match asked.header(name) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::InvalidArgument(format!("Provided {name} is invalid").into())),
        },
    };
    let page = Page {
        after: number("x-amz-part-number-marker")?.unwrap_or_default(),
        limit: number("x-amz-max-parts")?.unwrap_or(MOST).min(MOST),
    };
    let row = find(asked).await?;
    let known = Known::of(&row, None);
    let has = |name: &str| names.contains(&name);
    let mut answer = document(Writer::document("GetObjectAttributesResponse", |w| {
        if has("ETag") {
            w.text("ETag", known.etag.trim_matches('"'));
        }
        if has("Checksum") && known.metadata.contains_key("checksums") {
            w.group("Checksum", |w| checksum(w, &known.metadata));
        }
        if let Some(sizes) = known.known_parts().filter(|_| has("ObjectParts")) {
            w.group("ObjectParts", |w| page.parts(w, &sizes, Whole::kept(&known.metadata).as_ref()));
        }
        if has("StorageClass") {
            w.text("StorageClass", "STANDARD");
        }
        if has("ObjectSize") {
            w.number("ObjectSize", known.file.size.or(known.file.content_length).unwrap_or_default());
        }
    }));
    if let Ok(moment) = httpdate::fmt_http_date(known.modified).parse() {
        answer.headers_mut().insert(LAST_MODIFIED, moment);
    }
    Ok(answer)
}

/// The checksum of an object, if it has one.
pub(super) fn checksum(w: &mut Writer, metadata: &Map<String, Value>) {
    if let Some(Whole { agreed, value, .. }) = Whole::kept(metadata) {
        w.text(agreed.algorithm.element(), &value);
        w.text("ChecksumType", agreed.cover.name());
    }
}

/// Which parts are told.
struct Page {
    /// The number behind which it begins.
    after: u64,
    limit: u64,
}

impl Page {
    /// Parts by number, from 1.
    fn parts(&self, w: &mut Writer, sizes: &[(u64, u64)], whole: Option<&Whole>) {
        let count: u64 = sizes.iter().map(|(_, count)| count).sum();
        let last = self.after.saturating_add(self.limit).min(count);
        w.number("PartsCount", count);
        w.number("PartNumberMarker", self.after);
        w.number("NextPartNumberMarker", last);
        w.number("MaxParts", self.limit);
        w.flag("IsTruncated", last < count);
        for number in self.after.saturating_add(1)..=last {
            let Some((first, end, _)) = multipart::place(sizes, number) else { continue };
            w.group("Part", |w| {
                w.number("PartNumber", number);
                w.number("Size", end - first);
                let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
                if let Some((whole, value)) =
                    whole.and_then(|whole| Some((whole, whole.of_parts.get(index)?)))
                {
                    w.text(whole.agreed.algorithm.element(), value);
                }
            });
        }
    }
}
