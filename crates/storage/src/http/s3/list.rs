//! Lists of objects, in three spellings that differ in how they go on.

use actix_web::HttpResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use super::bucket::owner;
use super::{Asked, document};
use crate::file::FileMetadata;
use crate::s3::canonical::escaped;
use crate::s3::error::Error;
use crate::s3::query::Query;
use crate::s3::xml::Writer;
use crate::store::listing::{self, Column, Line, Stretch};
use crate::upload::moment;

/// Lines of a page at most, and unless told otherwise.
const MOST: u64 = 1000;

/// What all three have in common.
struct Wanted<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    /// As it was asked for.
    asked: u64,
    encodes: bool,
}

/// A page of a list.
struct Page {
    lines: Vec<Line>,
    is_truncated: bool,
}

impl<'a> Wanted<'a> {
    fn read(query: &'a Query) -> Result<Self, Error> {
        let invalid = |name: &str| Error::InvalidArgument(format!("Provided {name} is invalid").into());
        let asked = match query.get("max-keys") {
            None | Some("") => MOST,
            Some(digits) => {
                let number: i64 =
                    digits.parse().map_err(|_| invalid("max-keys not an integer or within integer range"))?;
                u64::try_from(number).map_err(|_| invalid("max-keys"))?
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").unwrap_or_default(),
            asked,
            encodes: encodes(query)?,
        })
    }

    /// As it goes into the document.
    fn spelled(&self, text: &str) -> String {
        spelled(text, self.encodes)
    }

    async fn page(&self, asked: &Asked, after: &str) -> Result<Page, Error> {
        let limit = self.asked.min(MOST);
        if limit == 0 {
            super::bucket::head(asked).await?;
            return Ok(Page { lines: Vec::new(), is_truncated: false });
        }
        let stretch = Stretch {
            bucket: &asked.bucket,
            prefix: self.prefix,
            limit: limit + 1,
            column: Column::Name,
            descending: false,
            after,
            after_moment: "",
        };
        let acting = asked.call.as_caller();
        let lines = match self.delimiter {
            "" => listing::flat(&acting, &stretch).await,
            delimiter => listing::delimited(&acting, &stretch, delimiter).await,
        };
        let mut lines = lines.map_err(Error::database)?;
        if lines.is_empty()
            && let Error::Storage(crate::error::Error::NoSuchBucket) = asked.missing().await
        {
            return Err(crate::error::Error::NoSuchBucket.into());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_truncated = lines.len() > limit;
        lines.truncate(limit);
        Ok(Page { lines, is_truncated })
    }

    fn contents(&self, w: &mut Writer, page: &Page, element: &str, asked: &Asked, with_owner: bool) {
        for line in page.lines.iter().filter(|line| line.id.is_some()) {
            let file = file(line.metadata.as_deref());
            let modified = file.last_modified.map(moment).or_else(|| line.updated_at.clone());
            w.group(element, |w| {
                w.text("Key", &self.spelled(&line.name));
                if element == "Version" {
                    w.text("VersionId", "null");
                    w.flag("IsLatest", true);
                }
                w.text("LastModified", &modified.unwrap_or_default());
                w.text("ETag", file.etag.as_deref().unwrap_or_default());
                w.number("Size", file.size.or(file.content_length).unwrap_or_default());
                if with_owner {
                    owner(w, asked);
                }
                w.text("StorageClass", "STANDARD");
            });
        }
        for line in page.lines.iter().filter(|line| line.id.is_none()) {
            w.group("CommonPrefixes", |w| w.text("Prefix", &self.spelled(&line.name)));
        }
    }

    fn shared(&self, w: &mut Writer, asked: &Asked, page: &Page) {
        w.text("Name", &asked.bucket);
        w.text("Prefix", &self.spelled(self.prefix));
        w.number("MaxKeys", self.asked.min(MOST));
        if !self.delimiter.is_empty() {
            w.text("Delimiter", &self.spelled(self.delimiter));
        }
        if self.encodes {
            w.text("EncodingType", "url");
        }
        w.flag("IsTruncated", page.is_truncated);
    }
}

/// A text in a list, escaped if the client asked for that.
pub(super) fn spelled(text: &str, encodes: bool) -> String {
    if encodes { escaped(text.as_bytes(), true) } else { text.to_owned() }
}

/// Whether names are to be escaped.
pub(super) fn encodes(query: &Query) -> Result<bool, Error> {
    match query.get("encoding-type") {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(Error::InvalidArgument("Invalid Encoding Method specified in Request".into())),
    }
}

fn file(metadata: Option<&RawValue>) -> FileMetadata {
    let text = metadata.map(RawValue::get).unwrap_or_default();
    FileMetadata::read(&serde_json::from_str(text).unwrap_or_default())
}

/// The first version goes on behind a key.
pub(super) async fn first(asked: &Asked) -> Result<HttpResponse, Error> {
    let wanted = Wanted::read(&asked.query)?;
    let marker = asked.query.get("marker").unwrap_or_default();
    let page = wanted.page(asked, marker).await?;
    let next = page.lines.last().filter(|_| page.is_truncated && !wanted.delimiter.is_empty());
    Ok(document(Writer::document("ListBucketResult", |w| {
        wanted.shared(w, asked, &page);
        w.text("Marker", &wanted.spelled(marker));
        if let Some(line) = next {
            w.text("NextMarker", &wanted.spelled(&line.name));
        }
        wanted.contents(w, &page, "Contents", asked, true);
    })))
}

/// The second version goes on by a token.
pub(super) async fn second(asked: &Asked) -> Result<HttpResponse, Error> {
    let wanted = Wanted::read(&asked.query)?;
    let invalid = || Error::InvalidArgument("The continuation token provided is incorrect".into());
    let token = asked.query.get("continuation-token");
    let behind = match token.filter(|token| !token.is_empty()) {
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
            Some(String::from_utf8(bytes).map_err(|_| invalid())?)
        }
        None => None,
    };
    let start = asked.query.get("start-after");
    let with_owner = asked.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let page = wanted.page(asked, behind.as_deref().or(start).unwrap_or_default()).await?;
    let next = page.lines.last().filter(|_| page.is_truncated);
    Ok(document(Writer::document("ListBucketResult", |w| {
        wanted.shared(w, asked, &page);
        w.number("KeyCount", page.lines.len() as u64);
        if let Some(token) = token {
            w.text("ContinuationToken", token);
        }
        if let Some(start) = start {
            w.text("StartAfter", &wanted.spelled(start));
        }
        if let Some(line) = next {
            w.text("NextContinuationToken", &URL_SAFE_NO_PAD.encode(&line.name));
        }
        wanted.contents(w, &page, "Contents", asked, with_owner);
    })))
}

/// Versions: of every object the one that there is.
pub(super) async fn versions(asked: &Asked) -> Result<HttpResponse, Error> {
    let wanted = Wanted::read(&asked.query)?;
    let marker = asked.query.get("key-marker").unwrap_or_default();
    let page = wanted.page(asked, marker).await?;
    let next = page.lines.last().filter(|_| page.is_truncated);
    Ok(document(Writer::document("ListVersionsResult", |w| {
        wanted.shared(w, asked, &page);
        w.text("KeyMarker", &wanted.spelled(marker));
        w.text("VersionIdMarker", asked.query.get("version-id-marker").unwrap_or_default());
        if let Some(line) = next {
            w.text("NextKeyMarker", &wanted.spelled(&line.name));
            w.text("NextVersionIdMarker", "null");
        }
        wanted.contents(w, &page, "Version", asked, true);
    })))
}
