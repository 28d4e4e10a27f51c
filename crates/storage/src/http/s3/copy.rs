//! `CopyObject` and `UploadPartCopy`: content that is here already.

use std::time::SystemTime;

use actix_web::HttpResponse;
use futures_util::{StreamExt, pin_mut};
use object::Key;
use percent_encoding::percent_decode_str;

use super::describe::Described;
use super::get::map;
use super::parts::{add, most, part_name};
use super::{Asked, document, multipart};
use crate::condition::{self, Facts};
use crate::error::Error as Cause;
use crate::file::FileMetadata;
use crate::s3::checksum::Running;
use crate::s3::error::Error;
use crate::s3::multipart::number;
use crate::s3::xml::Writer;
use crate::store::objects::{self, ObjectRow};
use crate::transfer::{self, Changes, Way};
use crate::upload::moment;

/// The object that a copy is made of.
struct Source {
    row: ObjectRow,
    file: FileMetadata,
}

/// `/bucket/key?versionId=…`, escaped.
fn named(text: &str) -> Result<(String, String), Error> {
    let invalid = || Error::InvalidArgument("Invalid copy source".into());
    let (path, version) = text.split_once("?versionId=").unwrap_or((text, "null"));
    if !matches!(version, "" | "null") {
        return Err(Error::NoSuchVersion);
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(invalid());
    }
    Ok((bucket.to_owned(), key.to_owned()))
}

async fn source(asked: &Asked) -> Result<Source, Error> {
    let (bucket, key) = named(asked.header("x-amz-copy-source").unwrap_or_default())?;
    if !asked.bounds.opens(&bucket) {
        return Err(Error::AccessDenied("Access Denied".into()));
    }
    let found = objects::find(&asked.call.as_caller(), &bucket, &key).await.map_err(Error::database)?;
    let row = match found {
        Some(row) => row,
        None => {
            let rules = crate::store::buckets::find_rules(&asked.call.as_service(), &bucket).await;
            return Err(match rules.map_err(Error::database)? {
                Some(_) => Cause::NoSuchKey.into(),
                None => Cause::NoSuchBucket.into(),
            });
        }
    };
    let file = FileMetadata::of(&row);
    let facts = Facts {
        etag: file.etag.as_deref().unwrap_or_default(),
        modified: file.last_modified.unwrap_or(SystemTime::UNIX_EPOCH),
        size: file.size.unwrap_or_default(),
    };
    if !condition::holds_for_copy(asked.request.headers(), facts) {
        return Err(Error::PreconditionFailed);
    }
    Ok(Source { row, file })
}

/// `CopyObject`
pub(super) async fn object(asked: &Asked) -> Result<HttpResponse, Error> {
    let described = Described::read(&asked.request, &asked.query)?;
    let replaces = directive(asked, "x-amz-metadata-directive", "Unknown metadata directive.")?;
    let replaces_tags = directive(asked, "x-amz-tagging-directive", "Unknown tagging directive.")?;
    let Source { row, .. } = source(asked).await?;
    if !replaces && row.bucket_id == asked.bucket && row.name == asked.key {
        return Err(Error::InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.".into(),
        ));
    }
    let way = Way {
        bucket: row.bucket_id.clone(),
        name: row.name.clone(),
        to_bucket: asked.bucket.clone(),
        to_name: asked.key.clone(),
    };
    let changes = Changes {
        keeps_all: !replaces,
        cache_control: Some(described.labels.cache_control.clone()),
        mimetype: Some(described.labels.content_type.clone()),
        user_metadata: Some(described.user_metadata.clone()),
        others: described.others(replaces, replaces_tags),
        upsert: true,
    };
    let copied = transfer::copy(&asked.call, way, changes).await?;
    let file = FileMetadata::of(&copied);
    Ok(document(Writer::document("CopyObjectResult", |w| {
        w.text("LastModified", &file.last_modified.map(moment).unwrap_or_default());
        w.text("ETag", file.etag.as_deref().unwrap_or_default());
        super::attributes::checksum(w, &map(copied.metadata.as_deref()));
    })))
}

/// Whether a copy is to have something of its own, and not its source's.
fn directive(asked: &Asked, name: &str, unknown: &'static str) -> Result<bool, Error> {
    match asked.header(name) {
        None => Ok(false),
        Some(directive) if directive.eq_ignore_ascii_case("COPY") => Ok(false),
        Some(directive) if directive.eq_ignore_ascii_case("REPLACE") => Ok(true),
        Some(_) => Err(Error::InvalidArgument(unknown.into())),
    }
}

/// `UploadPartCopy`
pub(super) async fn part(asked: &Asked) -> Result<HttpResponse, Error> {
    let number = number(asked.query.get("partNumber").unwrap_or_default())?;
    let upload = multipart::find(asked).await?;
    let Source { row, file } = source(asked).await?;
    let limit = most(asked).await?;
    let key = Key::new(&row.bucket_id, &row.name, row.version.as_deref()).ok_or(Cause::NoSuchFile)?;
    let on_disk = |error| Cause::disk(error, &row.name);
    let blob = asked.service().disk.read(&key).await.map_err(on_disk)?;
    let (first, end) = match asked.header("x-amz-copy-source-range") {
        None => (0, blob.size()),
        Some(range) => part_of(range, blob.size())?,
    };
    if end - first > limit {
        return Err(Cause::EntityTooLarge("object").into());
    }
    let name = part_name();
    let mut incoming = asked.service().parts.create(&upload.id, &name).map_err(on_disk)?;
    let agreed = multipart::agreed(&upload);
    let mut running = agreed.map(|agreed| Running::new(agreed.algorithm));
    let pieces = blob.stream(first, end);
    pin_mut!(pieces);
    while let Some(bytes) = pieces.next().await {
        let bytes = bytes.map_err(on_disk)?;
        if let Some(running) = &mut running {
            running.update(&bytes);
        }
        incoming = incoming.write(&bytes).await.map_err(on_disk)?;
    }
    let checksum = running.map(Running::finish);
    let stored = incoming.finish(file.labels()).await.map_err(on_disk)?;
    add(asked, &upload, number, (&name, checksum.as_deref()), &stored, limit).await?;
    Ok(document(Writer::document("CopyPartResult", |w| {
        w.text("LastModified", &moment(stored.modified));
        w.text("ETag", &format!("\"{}\"", stored.md5));
        if let (Some(agreed), Some(value)) = (agreed, &checksum) {
            w.text(agreed.algorithm.element(), value);
        }
    })))
}

/// First byte and the one behind the last: both must be there.
fn part_of(range: &str, size: u64) -> Result<(u64, u64), Error> {
    let invalid = || {
        Error::InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy".into(),
        )
    };
    let (first, last) =
        range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(invalid)?;
    let first: u64 = first.parse().map_err(|_| invalid())?;
    let last: u64 = last.parse().map_err(|_| invalid())?;
    if first > last {
        return Err(invalid());
    }
    if last >= size {
        return Err(Error::InvalidRange);
    }
    Ok((first, last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_escaped_paths() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
            assert_eq!(named(text).ok(), expected, "{text}");
        };
        check("b/k", Some(("b", "k")));
        check("/b/a%20b/c%2Bd", Some(("b", "a b/c+d")));
        check("b/k?versionId=null", Some(("b", "k")));
        check("b/k%3FversionId=1", Some(("b", "k?versionId=1")));
        for bad in ["", "b", "/b/", "//k", "b/k?versionId=3", "b/%ff"] {
            check(bad, None);
        }
    }

    #[test]
    fn ranges_of_sources_have_both_ends() {
        let check =
            |text: &str, expected: Option<(u64, u64)>| assert_eq!(part_of(text, 10).ok(), expected, "{text}");
        check("bytes=0-9", Some((0, 10)));
        check("bytes=3-3", Some((3, 4)));
        for bad in ["bytes=0-10", "bytes=5-4", "bytes=0-", "bytes=-5", "0-1", "bytes=a-b"] {
            check(bad, None);
        }
    }
}
